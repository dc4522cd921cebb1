import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Outcome, runCli, runProcess, startCommand } from './setup/command-line.js';
import { createEmptyDatabase, startTestServer, type TestServer, until } from './setup/test-server.js';

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/;

const rick = { externalId: '5', firstName: 'Rick', lastName: 'Deckard' };
const roy = { externalId: '8', firstName: 'Roy', lastName: 'Batti' };
const unborn = { externalId: '13', firstName: 'Eve', lastName: 'Morgen', dateOfBirth: '2999-01-01' };

let server: TestServer;
let folder: string;
let sources = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'counterpart-cli-'));
  server = await startTestServer();
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

function start(parameters: string[], env: Record<string, string> = toServer()): ChildProcess {
  return startCommand(parameters, env, folder);
}

function cli(parameters: string[], env: Record<string, string> = toServer()): Promise<Outcome> {
  return runCli(parameters, env, folder);
}

function toServer(): Record<string, string> {
  return { COUNTERPART_URL: server.url };
}

/** Writes a file for `load`. */
function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content));
  return path;
}

/** A new source: each test mirrors into its own. */
function newSource(): string {
  return `cli-${++sources}`;
}

function load(source: string, model: string, path: string, ...more: string[]): Promise<Outcome> {
  return cli(['load', '--model-name', model, '--input-file', path, '--source', source, ...more]);
}

/** The same as a process of its own. */
function loadAlone(source: string, model: string, path: string): Promise<Outcome> {
  const parameters = ['load', '--model-name', model, '--input-file', path, '--source', source];
  return runProcess(parameters, toServer(), folder);
}

async function livePatients(source: string): Promise<string[]> {
  const { items } = await server.get('/patients', { headers: { 'X-Source': source } });
  return items.map(({ externalId }: { externalId: string }) => externalId);
}

async function unusedPort(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return String(port);
}

describe('load', () => {
  it('exits with 0 when all records are mirrored', async () => {
    const source = newSource();

    const { code, stdout, stderr } = await loadAlone(source, 'patient', file('all.json', [rick, roy]));

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/✓ patients completed/);
    expect(await livePatients(source)).toEqual(['5', '8']);
  });

  it('exits with 2 and prints every rejected record with its reason', async () => {
    const path = file('some.json', [rick, unborn, { ...roy, lastName: '' }, roy]);

    const { code, stdout } = await loadAlone(newSource(), 'patients', path);

    expect(code).toBe(2);
    expect(stdout).toMatch(/record 1 +13 +dateOfBirth: Date of birth cannot be in the future/);
    expect(stdout).toMatch(/record 2 +8 +lastName: /);
  });

  it('writes plain lines without colours or cursor movements into a pipe', async () => {
    const { stdout } = await loadAlone(newSource(), 'patient', file('plain.json', [rick, unborn]));

    // oxlint-disable-next-line no-control-regex
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });

  it('escapes control characters in a record', async () => {
    const path = file('escape.json', [{ ...unborn, externalId: '\u001b[2J1' }]);

    const { stdout } = await load(newSource(), 'patient', path);

    expect(stdout).toContain('\\u001b[2J1');
    expect(stdout).not.toContain('\u001b');
  });

  it('exits with 0 when payments only wait for their patients, and prints which', async () => {
    const path = file('waiting.json', [{ externalId: '501', patientId: '5', amount: 1 }]);

    const { code, stdout } = await load(newSource(), 'payment', path);

    expect(code).toBe(0);
    expect(stdout).toMatch(/Unresolved.*\n.*record 0 +501 +patientId: /);
  });

  it.each([
    ['gzip.json.gz', gzipSync(JSON.stringify([rick]))],
    ['zstd.ndjson.zst', zstdCompressSync(`${JSON.stringify(rick)}\n`)],
    ['lines.jsonl', `${JSON.stringify(rick)}\n`],
    ['table.csv', 'external_id,first_name,last_name\n5,Rick,Deckard\n'],
  ])('knows from the name how to send %s', async (name, content) => {
    const source = newSource();

    const { code } = await load(source, 'patient', file(name, content));

    expect(code).toBe(0);
    expect(await livePatients(source)).toEqual(['5']);
  });

  it('writes nothing on a dry run and prints what it would do', async () => {
    const source = newSource();

    const { code, stdout } = await load(source, 'patient', file('dry.json', [rick]), '--dry-run');

    expect(code).toBe(0);
    expect(stdout).toContain('Nothing was written; it would be applied at once.');
    expect(await livePatients(source)).toEqual([]);
  });

  it('deletes nothing with --mode partial', async () => {
    const source = newSource();
    await load(source, 'patient', file('both.json', [rick, roy]));

    await load(source, 'patient', file('one.json', [rick]), '--mode', 'partial');

    expect(await livePatients(source)).toEqual(['5', '8']);
  });

  it('exits with 1 when the snapshot is held, and approve applies exactly its plan', async () => {
    const source = newSource();
    await load(source, 'patient', file('before.json', [rick, roy]));

    const held = await load(source, 'patient', file('after.json', [rick]), '--deletes', 'hold');

    expect(held.code).toBe(1);
    expect(held.stdout).toMatch(/It would delete 8\./);
    const id = UUID.exec(held.stdout)?.[0] ?? '';
    expect(held.stdout).toContain(`npm run cli -- approve ${id} --source ${source}`);
    expect(await livePatients(source)).toEqual(['5', '8']);
    expect((await cli(['approve', id, '--source', source])).code).toBe(0);
    expect(await livePatients(source)).toEqual(['5']);
  });

  it('waits for approval with --wait-approval yes', async () => {
    const source = newSource();
    await load(source, 'patient', file('two.json', [rick, roy]));
    const path = file('none.json', '[]');
    const child = start([
      'load',
      '--model-name',
      'patient',
      '--input-file',
      path,
      '--source',
      source,
      '--wait-approval',
      'yes',
    ]);
    const closed = once(child, 'close');
    const headers = { 'X-Source': source };
    const waiting = async () => (await server.get('/sync/jobs?status=awaiting_approval', { headers })).items;
    await until('the job is held', async () => (await waiting()).length === 1);

    const [{ id }] = await waiting();
    await server.fetch(`/sync/jobs/${id}/approve`, { method: 'POST', headers });

    expect((await closed)[0]).toBe(0);
    expect(await livePatients(source)).toEqual([]);
  });

  it('exits with 1 and prints the place when the file is malformed', async () => {
    const path = file('broken.json', `[${JSON.stringify(rick)},\n{"externalId":`);

    const { code, stdout } = await load(newSource(), 'patient', path);

    expect(code).toBe(1);
    expect(stdout).toMatch(/patients failed/);
    expect(stdout).toMatch(/line 2.*Nothing was changed/);
  });

  it('prints the detail when the server refuses', async () => {
    const { code, stderr } = await load(newSource(), 'patient', file('empty.json', ''));

    expect(code).toBe(1);
    expect(stderr).toMatch(/The snapshot is empty.*\(400/);
  });

  it('prints only JSON with --json', async () => {
    const { code, stdout } = await load(newSource(), 'patient', file('json.json', [rick, unborn]), '--json');

    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      job: { status: 'completed', counts: { received: 2, created: 1, rejected: 1 } },
      errors: [{ index: 1, externalId: '13' }],
      errorsOmitted: 0,
    });
  });

  it('prints the first 100 of thousands of rejected records, and all with --all-errors', async () => {
    const source = newSource();
    const path = file(
      'many.json',
      Array.from({ length: 1500 }, (_, index) => ({ externalId: `p${index}` })),
    );

    const first = await load(source, 'patient', path);
    const all = await load(source, 'patient', path, '--all-errors');

    expect(first.stdout.match(/✗ record/g)).toHaveLength(100);
    expect(first.stdout).toMatch(/1400 more rejected: npm run cli -- errors [0-9a-f-]+ --format ndjson/);
    expect(all.stdout.match(/✗ record/g)).toHaveLength(1500);
  });

  it.each([
    [
      'a model that there is not',
      ['load', '--model-name', 'invoice', '--input-file', 'x.json'],
      /models are: patient, payment/,
    ],
    [
      'a file that there is not',
      ['load', '--model-name', 'patient', '--input-file', 'x.json'],
      /x\.json does not exist/,
    ],
    [
      'a name without a format',
      ['load', '--model-name', 'patient', '--input-file', join(process.cwd(), 'LICENSE')],
      /does not show its format/,
    ],
    ['a job that there is not', ['job', '42'], /There is no such job/],
    ['a status that there is not', ['jobs', '--status', 'lost'], /--status/],
  ])('ends with 1 and a sentence for %s', async (_, parameters, message) => {
    const { code, stdout, stderr } = await cli(parameters);

    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/ at .*:\d+:\d+/);
  });

  it('exits with 1 when no server answers at the given address', async () => {
    const url = `http://127.0.0.1:${await unusedPort()}`;
    const path = file('unsent.json', [rick]);

    const { code, stderr } = await cli(['load', '--model-name', 'patient', '--input-file', path, '--url', url]);

    expect(code).toBe(1);
    expect(stderr).toContain(`No server answers at ${url}`);
  });

  it('finishes its work when the reader of its output closes the pipe', async () => {
    const source = newSource();
    const path = file(
      'headed.json',
      Array.from({ length: 900 }, (_, index) => ({ externalId: `p${index}` })).concat(rick),
    );
    const child = start(['load', '--model-name', 'patient', '--input-file', path, '--source', source]);
    const closed = once(child, 'close');

    child.stdout?.destroy();

    expect((await closed)[0]).toBe(2);
    expect(await livePatients(source)).toEqual(['5']);
  });
});

describe('without a server', () => {
  it('works on the database directly', async () => {
    const env = { DATABASE_URL: await createEmptyDatabase(), PORT: await unusedPort() };
    const path = file('direct.json', [rick, unborn]);

    const migrated = await runProcess(['migrate'], env, folder);
    const loaded = await runProcess(['load', '--model-name', 'patient', '--input-file', path], env, folder);
    const listed = await runProcess(['jobs', '--json'], env, folder);

    expect(migrated).toMatchObject({ code: 0, stderr: '' });
    expect(loaded).toMatchObject({ code: 2, stdout: expect.stringContaining('dateOfBirth: ') });
    expect(loaded.stderr).toMatch(/working on the database directly/);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ resource: 'patients', status: 'completed' }]);
  });

  it('says so when the database does not answer', async () => {
    const env = { DATABASE_URL: `postgresql://x:x@127.0.0.1:${await unusedPort()}/x`, PORT: await unusedPort() };

    const { code, stderr } = await runProcess(['jobs'], env, folder);

    expect(code).toBe(1);
    expect(stderr).toMatch(/ECONNREFUSED/);
    expect(stderr).not.toMatch(/ at .*:\d+:\d+/);
  });
});

describe('jobs and their errors', () => {
  it('shows jobs, one job, and its errors in each format', async () => {
    const source = newSource();
    const { stdout } = await load(source, 'patient', file('seen.json', [rick, unborn]));
    const id = UUID.exec(stdout)?.[0] ?? '';
    const of = ['--source', source];

    expect((await cli(['jobs', ...of])).stdout).toMatch(new RegExp(`${id} +patients +completed`));
    expect((await cli(['jobs', '--resource', 'payment', ...of])).stdout).toBe('There are no such jobs.\n');
    expect(await cli(['job', id, ...of])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`source     ${source}`),
    });
    expect((await cli(['job', id, '--wait', '5', ...of])).code).toBe(2);
    expect((await cli(['errors', id, ...of])).stdout).toMatch(/1 +13 +rejected +dateOfBirth: /);
    const lines = (await cli(['errors', id, '--format', 'ndjson', ...of])).stdout;
    expect(JSON.parse(lines)).toMatchObject({ index: 1, data: unborn });
    expect((await cli(['errors', id, '--format', 'csv', ...of])).stdout).toMatch(/^index,externalId,.*\n1,13,/);
  });

  it('does not call a job without errors mirrored when it was never applied', async () => {
    const source = newSource();
    const { stdout, stderr } = await load(source, 'patient', file('cut.json', '[{"externalId":"1",'));
    const id = UUID.exec(stdout + stderr)?.[0] ?? '';

    const { stdout: errors } = await cli(['errors', id, '--source', source]);

    expect(errors).toMatch(/^No record was reported. The job is failed: /);
  });

  it('refuses a decision on a job that does not wait for one', async () => {
    const source = newSource();
    const { stdout } = await load(source, 'patient', file('done.json', [rick]));
    const id = UUID.exec(stdout)?.[0] ?? '';

    for (const action of ['approve', 'reject', 'cancel']) {
      const { code, stderr } = await cli([action, id, '--source', source]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/The job is completed.*\(409/);
    }
  });
});

describe('claims payments and claims retry', () => {
  it('list failed payments with their reasons, and have them settled', async () => {
    const source = newSource();
    const [row] = await server.query(
      `with clinic as (insert into source (name) values ($1) returning id)
       insert into payment_notification (source_id, claim_id, net_fee, status, attempts, reason, relayed_at)
       select id, gen_random_uuid(), 1, 'failed', 8, 'amount_above_maximum', now() from clinic, generate_series(1, 3)
       returning claim_id`,
      [source],
    );
    const of = ['--source', source];

    const shown = await cli(['claims', 'payments', ...of]);
    expect(shown.stdout).toMatch(/failed +3\n/);
    expect(shown.stdout).toMatch(new RegExp(`${row.claim_id} +8 +amount_above_maximum`));
    expect(await cli(['claims', 'retry', row.claim_id, ...of])).toMatchObject({ code: 0 });
    const retried = await cli(['claims', 'retry', '--failed', '--json', ...of]);
    expect(JSON.parse(retried.stdout)).toEqual({ retried: 2 });
    const states = () => server.get('/claim-payments/states', { headers: { 'X-Source': source } });
    await until('all are settled', async () => (await states()).settled === 3);
    const again = await cli(['claims', 'retry', row.claim_id, ...of]);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('already_settled') });
    expect(await cli(['claims', 'retry', ...of])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--failed'),
    });
  });
});

describe('commands that check or rebuild a whole database', () => {
  it.each([['accounts'], ['claims'], ['audit']])('says that there is none, and makes none: %s verify', async (what) => {
    const outcome = await cli([what, 'verify'], { DATA_DIR: join(folder, 'nowhere') });

    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(/^✗ There is no database in .*nowhere: name it with DATA_DIR or DATABASE_URL\.\n$/);
    expect(existsSync(join(folder, 'nowhere'))).toBe(false);
  });

  it('say what to do about a database without tables', async () => {
    const outcome = await cli(['accounts', 'verify'], { DATABASE_URL: await createEmptyDatabase() });

    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(/^✗ This is not a database of counterpart, .* npm run cli -- migrate\n$/);
  });
});
