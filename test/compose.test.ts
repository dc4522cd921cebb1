import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { migrationOptions } from '../src/app.module.js';
import { applyResources, declaredResources } from '../src/installation.js';
import { migrate } from '../src/migrations/migrate.js';
import { makeKey } from './access/keys.js';
import { Sender, somePatients } from './http/sender.js';
import { createEmptyDatabase, startTestServer, type TestServer } from './setup/test-server.js';

const compose = readFileSync('docker-compose.yml', 'utf8');

/** The lines of one service. */
function service(name: string): string {
  return new RegExp(`^  ${name}:\\n((?:    .*\\n|\\n)*)`, 'm').exec(compose)?.[1] ?? '';
}

/** The lines of a part that services share. */
function shared(name: string): string {
  return new RegExp(`^x-${name}: .*\\n((?:  .*\\n|\\n)*)`, 'm').exec(compose)?.[1] ?? '';
}

describe('the compose file', () => {
  it('gives the password of the superuser to no process of the application, and that of the owner to migrate alone', () => {
    expect(shared('settings')).toMatch(/DATABASE_URL: postgresql:\/\/counterpart_server:/);
    expect(shared('settings')).toMatch(/MIGRATIONS: skip/);
    expect(shared('settings')).toMatch(/POSTGRES_PASSWORD: ''\n +DATABASE_OWNER_PASSWORD: ''\n/);
    const withUrl = ['api', 'worker', 'payments', 'migrate'].filter((name) => service(name).includes('DATABASE_URL'));
    expect(withUrl).toEqual(['migrate']);
    expect(service('migrate')).toMatch(/counterpart_owner:/);
    expect(compose.match(/PGUSER: counterpart\n/g)).toHaveLength(1);
  });

  it('has the servers wait for the migration, and the migration for its users', () => {
    expect(shared('app')).toMatch(/migrate: \{ condition: service_completed_successfully \}/);
    expect(service('migrate')).toMatch(/database-users: \{ condition: service_completed_successfully \}/);
    for (const name of ['migrate', 'database-users']) expect(service(name)).toMatch(/restart: 'no'/);
  });

  it('asks for a password of Redis, bounds what each container logs and uses, and trusts the proxy in front', () => {
    expect(service('redis')).toMatch(/--requirepass/);
    expect(shared('settings')).toMatch(/REDIS_URL: redis:\/\/:\$\{REDIS_PASSWORD/);
    expect(shared('settings')).toMatch(/TRUST_PROXY: \$\{TRUST_PROXY:-1\}/);
    for (const part of [shared('app'), service('database-users'), service('postgres'), service('redis')]) {
      expect(part).toMatch(/logging: \*logging\n/);
      expect(part).toMatch(/limits: \{.*memory: /);
    }
    for (const name of ['api', 'worker', 'payments', 'migrate']) expect(service(name)).toMatch(/<<: \*app/);
  });
});

describe('the users of the database that the compose file makes', () => {
  const QUEUE_PREFIX = `t${randomBytes(4).toString('hex')}`;
  const passwords = { owner: randomBytes(8).toString('hex'), server: randomBytes(8).toString('hex') };
  const as = (url: string, who: 'owner' | 'server') =>
    Object.assign(new URL(url), { username: `counterpart_${who}`, password: passwords[who] }).href;
  let database: string;
  let server: TestServer;

  beforeAll(async () => {
    database = await createEmptyDatabase();
    const options = `-c setup.owner_password=${passwords.owner} -c setup.server_password=${passwords.server}`;
    const client = new pg.Client({ connectionString: database, options });
    await client.connect();
    // At every start of the services, so more than once.
    for (let start = 0; start < 2; start++) await client.query(readFileSync('docker/database-users.sql', 'utf8'));
    await client.end();
    const declared = await declaredResources({ RESOURCES_DIR: undefined });
    await migrate(migrationOptions(as(database, 'owner')), as(database, 'owner'), { prefix: QUEUE_PREFIX }, (client) =>
      applyResources(client, declared),
    );
    server = await startTestServer({ databaseUrl: as(database, 'server'), QUEUE_PREFIX, MIGRATIONS: 'skip' });
  });

  afterAll(() => server?.close());

  it('are enough for the servers', async () => {
    const from = new Sender(server);
    expect(await from.mirror('/patients', somePatients(3))).toMatchObject({ status: 'completed' });
    expect(await from.patientIds()).toEqual(['1', '2', '3']);
  });

  it('let the owner make keys, and the servers neither that nor anything with the tables', async () => {
    const owner = await startTestServer({ databaseUrl: as(database, 'owner'), QUEUE_PREFIX, ROLE: 'api' });
    expect(await makeKey(owner)).toMatch(/^cpk_/);
    await owner.close();
    await expect(makeKey(server)).rejects.toThrow(/permission denied/);

    const client = new pg.Client(as(database, 'server'));
    await client.connect();
    await expect(client.query('alter table patient disable row level security')).rejects.toMatchObject({
      code: '42501',
    });
    const { rows } = await client.query('select count(*)::int as seen from patient');
    expect(rows).toEqual([{ seen: 0 }]);
    await client.end();
  });
});
