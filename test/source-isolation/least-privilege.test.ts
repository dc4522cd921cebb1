import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { migrationOptions } from '../../src/app.module.js';
import { migrate } from '../../src/platform/migrate.js';
import { aPayment, Sender, somePatients } from '../http/sender.js';
import { createDatabase, query, startTestServer, type TestServer } from '../setup/test-server.js';

const QUEUE_PREFIX = `t${randomBytes(4).toString('hex')}`;

/** Users of the test's PostgreSQL, which belong to the whole of it and so need names of their own. */
const OWNER = `owner_${QUEUE_PREFIX}`;
const LOGIN = `login_${QUEUE_PREFIX}`;

let database: string;
const as = (user: string) => Object.assign(new URL(database), { username: user, password: 'secret' }).href;
const migrateAs = (user: string) => migrate(migrationOptions(as(user)), as(user), { prefix: QUEUE_PREFIX });
const start = (user: string) =>
  startTestServer({ databaseUrl: as(user), QUEUE_PREFIX, MIGRATIONS: 'skip', DATABASE_POOL_SIZE: 10 });

beforeAll(async () => {
  // Somebody else's database has brought the roles.
  const other = await createDatabase();
  await migrate(migrationOptions(other), other, null);
  database = await createDatabase();
  await query(
    database,
    `create role ${OWNER} login password 'secret'; create role ${LOGIN} login password 'secret';
     do $$ begin execute format('alter database %I owner to ${OWNER}', current_database()); end $$;
     alter schema public owner to ${OWNER};`,
  );
});

describe('a database whose owner may do nothing else', () => {
  it('is told which roles are missing, where it may not make them', async () => {
    await expect(migrateAs(OWNER)).rejects.toThrow(/create role counterpart_app; create role counterpart_system/);
  });

  it('is brought up to date once somebody has given it the roles', async () => {
    await query(database, `grant counterpart_app, counterpart_system to ${OWNER}`);
    await migrateAs(OWNER);
    await expect(migrateAs(OWNER)).resolves.toBeUndefined();
  });
});

describe('a server whose user owns nothing', () => {
  let server: TestServer;

  beforeAll(async () => {
    await query(database, `grant counterpart_app to ${LOGIN}; grant counterpart_system to ${LOGIN} with inherit false`);
    server = await start(LOGIN);
  });

  afterAll(() => server?.close());

  it('mirrors, answers, and asks before it deletes', async () => {
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

  it('sees no row of any source by a session of its own', async () => {
    const [seen] = await query(as(LOGIN), 'select count(*)::int as patients from patient');
    expect(seen).toEqual({ patients: 0 });
    await expect(query(as(LOGIN), 'drop table patient')).rejects.toMatchObject({ code: '42501' });
  });

  it('keeps its logs in order', async () => {
    const { Cleaner } = await import('../../src/sync/cleaner.js');
    await expect(server.app.get(Cleaner).clean()).resolves.toBeUndefined();
  });
});

it('a server that leaves migrations to others does not start before they are made', async () => {
  const empty = await createDatabase();
  await expect(startTestServer({ databaseUrl: empty, MIGRATIONS: 'skip' })).rejects.toThrow('npm run cli -- migrate');
});
