import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { migrationOptions } from '../../src/app.module.js';
import { applyResources, declaredResources } from '../../src/installation.js';
import { migrate } from '../../src/migrations/migrate.js';
import { aPayment, Sender, somePatients } from '../http/sender.js';
import { createEmptyDatabase, query, startTestServer, type TestServer } from '../setup/test-server.js';

const QUEUE_PREFIX = `t${randomBytes(4).toString('hex')}`;

/** Users of the test's PostgreSQL server. They belong to the whole server, so their names are unique. */
const OWNER = `owner_${QUEUE_PREFIX}`;
const SERVER_USER = `server_${QUEUE_PREFIX}`;

let database: string;
const as = (user: string) => Object.assign(new URL(database), { username: user, password: 'secret' }).href;
const migrateAs = async (user: string) => {
  const declared = await declaredResources({ RESOURCES_DIR: undefined });
  return migrate(migrationOptions(as(user)), as(user), { prefix: QUEUE_PREFIX }, (client) =>
    applyResources(client, declared),
  );
};
const start = (user: string) =>
  startTestServer({ databaseUrl: as(user), QUEUE_PREFIX, MIGRATIONS: 'skip', DATABASE_POOL_SIZE: 10 });

beforeAll(async () => {
  // The migrations of another database have created the roles.
  const other = await createEmptyDatabase();
  await migrate(migrationOptions(other), other, null);
  database = await createEmptyDatabase();
  await query(
    database,
    `create role ${OWNER} login password 'secret'; create role ${SERVER_USER} login password 'secret';
     do $$ begin execute format('alter database %I owner to ${OWNER}', current_database()); end $$;
     alter schema public owner to ${OWNER};`,
  );
});

describe('a database whose owner has no other rights', () => {
  it('gets an error that names the missing roles, if it may not create them', async () => {
    await expect(migrateAs(OWNER)).rejects.toThrow(/create role counterpart_app; create role counterpart_system/);
  });

  it('is migrated once an administrator has granted the roles', async () => {
    await query(database, `grant counterpart_app, counterpart_system to ${OWNER}`);
    await migrateAs(OWNER);
    await expect(migrateAs(OWNER)).resolves.toEqual([]);
  });
});

describe('a server whose user owns nothing', () => {
  let server: TestServer;

  beforeAll(async () => {
    await query(
      database,
      `grant counterpart_app to ${SERVER_USER}; grant counterpart_system to ${SERVER_USER} with inherit false`,
    );
    server = await start(SERVER_USER);
  });

  afterAll(() => server?.close());

  it('mirrors, answers, and holds deletions for approval', async () => {
    const from = new Sender(server);
    expect(await from.mirror('/patients', somePatients(3))).toMatchObject({ status: 'completed' });
    expect(await from.mirror('/payments', [aPayment(), { amount: 'x' }])).toMatchObject({ counts: { rejected: 1 } });
    const held = await from.mirror('/patients?deletes=hold', []);
    expect(held).toMatchObject({ status: 'awaiting_approval' });
    const approved = await from.decide(held.id, 'approve', { Prefer: 'wait=20' });
    expect(await approved.json()).toMatchObject({ status: 'completed', counts: { deleted: 3 } });
    expect((await from.get('/changes')).items).toHaveLength(7);
    expect((await server.fetch('/metrics')).status).toBe(200);
  });

  it('leaves statistics of what it has filled', async () => {
    expect(await new Sender(server).mirror('/patients', somePatients(1_200))).toMatchObject({ status: 'completed' });
    const [table] = await query(database, `select reltuples from pg_class where oid = 'patient'::regclass`);
    expect(table.reltuples).toBeGreaterThanOrEqual(1_200);
  });

  it('sees no rows of any source in a session of its own', async () => {
    const [seen] = await query(as(SERVER_USER), 'select count(*)::int as patients from patient');
    expect(seen).toEqual({ patients: 0 });
    await expect(query(as(SERVER_USER), 'drop table patient')).rejects.toMatchObject({ code: '42501' });
  });

  it('can run the cleaner', async () => {
    const { Cleaner } = await import('../../src/sync/cleaner.js');
    await expect(server.app.get(Cleaner).clean()).resolves.toBeUndefined();
  });
});

it('a server with MIGRATIONS=skip does not start before the migrations have been run', async () => {
  const empty = await createEmptyDatabase();
  await expect(startTestServer({ databaseUrl: empty, MIGRATIONS: 'skip' })).rejects.toThrow('npm run cli -- migrate');
});
