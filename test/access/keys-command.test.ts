import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { commandEnvironment, type Outcome, runCli, runProcess } from '../setup/command-line.js';
import { killServerProcesses, SERVER, ServerProcess } from '../setup/server-process.js';
import { createDatabase, startTestServer, type TestServer, until } from '../setup/test-server.js';
import { bearer, makeKey } from './keys.js';

// Starts several processes and its own PostgreSQL, one after the other: half a minute under load.
jest.setTimeout(120_000);

const DIST = join(import.meta.dirname, '../../dist');
const KEY = /^cpk_[A-Za-z0-9_-]{43}$/;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'counterpart-keys-'));
});

afterAll(async () => {
  await killServerProcesses();
  rmSync(folder, { recursive: true, force: true });
});

function cli(parameters: string[], env: Record<string, string>): Promise<Outcome> {
  return runCli(parameters, env, folder);
}

async function createKey(env: Record<string, string>, ...options: string[]): Promise<string> {
  return keyOf(await cli(['keys', 'create', ...options], env));
}

function keyOf({ code, stdout, stderr }: Outcome): string {
  if (code !== 0) throw new Error(stderr);
  return stdout.trimEnd().split('\n').at(-1) ?? '';
}

async function statusWith(url: string, key: string, path = '/patients'): Promise<number> {
  return (await fetch(new URL(path, url), { headers: bearer(key) })).status;
}

describe('keys, while a server runs on the same DATABASE_URL', () => {
  let server: TestServer;
  let env: Record<string, string>;

  beforeAll(async () => {
    server = await startTestServer({ AUTH: 'keys' });
    env = { DATABASE_URL: server.databaseUrl };
  });

  afterAll(() => server.close());

  it('are made, listed and revoked, with immediate effect on the server', async () => {
    const create = ['keys', 'create', '--name', 'clinic', '--source', 'clinic', '--scope', 'read,submit,read'];
    const key = keyOf(await runProcess(create, env, folder));
    expect(key).toMatch(KEY);
    expect(await statusWith(server.url, key)).toBe(200);

    const listed = await cli(['keys', 'list', '--json'], env);
    expect(JSON.parse(listed.stdout)).toEqual([
      {
        name: 'clinic',
        source: 'clinic',
        scopes: ['submit', 'read'],
        created: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        expires: null,
        state: 'active',
      },
    ]);
    expect(listed.stdout + listed.stderr).not.toContain(key.slice(4));

    expect(await cli(['keys', 'revoke', 'clinic'], env)).toMatchObject({ code: 0, stderr: '' });
    expect(await statusWith(server.url, key)).toBe(401);
    const twice = await cli(['keys', 'revoke', 'clinic'], env);
    expect(twice).toMatchObject({ code: 1, stdout: '' });
    expect(twice.stderr).toContain('There is no key "clinic" that could be revoked');
    expect((await cli(['keys', 'list'], env)).stdout).toMatch(/clinic +clinic +submit,read .* revoked\n/);
    const audited = await server.query(
      `select action, source, outcome from audit_entry where subject = 'keys:clinic' and actor = $1 order by seq`,
      [`cli:${userInfo().username}`],
    );
    expect(audited).toEqual([
      { action: 'key.created', source: 'clinic', outcome: 'allowed' },
      { action: 'key.revoked', source: 'clinic', outcome: 'allowed' },
    ]);
  });

  it('of operators belong to no source, and may expire', async () => {
    const options = ['--name', 'boss', '--source', '*', '--scope', 'ops,read', '--expires', '2999-12-31'];
    const key = await createKey(env, ...options);

    expect(await statusWith(server.url, key, '/metrics')).toBe(200);
    const { stdout } = await cli(['keys', 'list', '--json'], env);
    expect(JSON.parse(stdout)[0]).toMatchObject({ name: 'boss', source: '*', expires: '2999-12-31' });
    const [row] = await server.query(`select expires_at from access_key where name = 'boss'`);
    expect(row.expires_at).toEqual(new Date('3000-01-01T00:00:00Z'));
  });

  it('have a unique name until they are revoked', async () => {
    const again = ['keys', 'create', '--name', 'twin', '--source', 'x', '--scope', 'read'];
    expect((await cli(again, env)).code).toBe(0);

    const { code, stdout, stderr } = await cli(again, env);

    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('There is a key "twin" already');
  });

  it.each([
    ['--scope', 'read,everything', 'There is no scope "everything". The scopes are submit, read, approve, ops.'],
    ['--scope', '', 'There is no scope ""'],
    ['--source', 'no source', 'It must be 1 to 63 letters'],
    ['--name', 'a b', 'It must be 1 to 63 letters'],
    ['--expires', '2020-01-31', 'It must not be past.'],
    ['--expires', '2999-02-30', 'It must be a date such as 2027-01-31.'],
    ['--expires', 'tomorrow', 'It must be a date such as 2027-01-31.'],
  ])('are not made with %s "%s"', async (option, value, why) => {
    const good = { '--name': 'wrong', '--source': 'x', '--scope': 'read' };
    const options = Object.entries({ ...good, [option]: value }).flat();

    const { code, stdout, stderr } = await cli(['keys', 'create', ...options], env);

    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(why);
    expect(await server.query(`select from access_key where name in ('wrong', 'a b')`)).toEqual([]);
  });

  it('are presented with --key or COUNTERPART_KEY, and an error explains a missing one', async () => {
    const url = ['--url', server.url];
    const reader = await makeKey(server, { source: 'r', scopes: ['read'] });
    const file = join(folder, 'patients.json');
    writeFileSync(file, '[{"externalId":"1","firstName":"Rick","lastName":"Deckard"}]');

    const stranger = await cli(['jobs', ...url], {});
    expect(stranger).toMatchObject({ code: 1, stdout: '' });
    expect(stranger.stderr).toMatch(/401 unauthorized\)\nGive a key with --key or COUNTERPART_KEY.*keys create/);

    const load = ['load', '--model-name', 'patient', '--input-file', file, ...url];
    const lacking = await cli(load, { COUNTERPART_KEY: reader });
    expect(lacking.code).toBe(1);
    expect(lacking.stderr).toMatch(/lacks the scope "submit"\. \(403 missing_scope\)\nGive a key with that scope/);

    expect((await cli(['jobs', ...url, '--key', reader], {})).code).toBe(0);
  });
});

describe('keys, on the embedded PostgreSQL', () => {
  it('can be made before the first start and while a server runs, and listed after its stop', async () => {
    const env = { DATA_DIR: join(folder, 'data'), AUTH: 'keys', PORT: '0', LOG_LEVEL: 'error' };
    const first = await makeKeyAlone(env, '--name', 'first', '--source', 'a', '--scope', 'read');
    const server = await ServerProcess.start(env, { main: join(DIST, 'main.js') });
    expect(await statusWith(server.url, first)).toBe(200);

    const second = await makeKeyAlone(env, '--name', 'second', '--source', '*', '--scope', 'read,ops');
    expect(await statusWith(server.url, second, '/metrics')).toBe(200);
    expect((await runProcess(['keys', 'revoke', 'first'], env, folder)).code).toBe(0);
    expect(await statusWith(server.url, first)).toBe(401);

    await server.stop();
    const { stdout } = await runProcess(['keys', 'list', '--json'], env, folder);
    expect(JSON.parse(stdout)).toMatchObject([
      { name: 'second', state: 'active' },
      { name: 'first', state: 'revoked' },
    ]);
  });
});

/** The same as a process of its own, which starts a PostgreSQL if there is none. */
async function makeKeyAlone(env: Record<string, string>, ...options: string[]): Promise<string> {
  return keyOf(await runProcess(['keys', 'create', ...options], env, folder));
}

describe('a server that requires keys', () => {
  it('logs at its start how to make the first key, as long as there is none', async () => {
    const env = { DATABASE_URL: await createDatabase(), AUTH: 'keys', PORT: '0', LOG_LEVEL: 'warn' };
    expect(await logOf(env)).toContain('npm run cli -- keys create');

    await createKey(env, '--name', 'first', '--source', 'a', '--scope', 'read');

    expect(await logOf(env)).not.toContain('keys create');
  });
});

/** The log of a server until it listens. */
async function logOf(env: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, [SERVER], { env: { ...commandEnvironment(), ...env }, cwd: folder });
  let log = '';
  child.stdout.on('data', (piece) => (log += String(piece)));
  await until('it listens', () => log.includes('listening on'), 60_000);
  child.kill('SIGTERM');
  await once(child, 'close');
  return log;
}
