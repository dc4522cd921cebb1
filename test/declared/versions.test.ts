import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Sender } from '../contract/sender.js';
import { createDatabase, startTestServer, type TestServer, until } from '../setup/test-server.js';

const QUEUE_PREFIX = 'versions';

let databaseUrl: string;
let directory: string;
const servers: TestServer[] = [];

beforeAll(async () => {
  databaseUrl = await createDatabase();
  directory = await mkdtemp(join(tmpdir(), 'counterpart-versions-'));
});

afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()));
  await rm(directory, { recursive: true });
});

async function start(fields: string): Promise<TestServer> {
  await writeFile(join(directory, 'notes.yaml'), `name: notes\nkey: id_\nfields: { id_: text, ${fields} }\n`);
  const server = await startTestServer({ databaseUrl, RESOURCES_DIR: directory, QUEUE_PREFIX });
  servers.push(server);
  return server;
}

it('a job is left to a server that has the definition that was applied last, and tells its version', async () => {
  const older = await start('body: text?');
  const sender = new Sender(older);
  expect(await sender.mirror('notes', [{ id_: '1', body: 'a' }])).toMatchObject({ status: 'completed', definition: 1 });
  const newer = await start('body: text?, more: text?');
  await newer.close();
  servers.pop();

  const job = await sender.submit('notes', [{ id_: '1', body: 'a', more: 'b' }]);

  // The only server that runs would leave the new field out.
  await until('it says what it waits for', async () => (await sender.job(job)).waiting !== null);
  expect(await sender.job(job)).toMatchObject({
    status: 'queued',
    counts: { created: 0 },
    waiting: { behind: null, retry: { attempts: 0, error: expect.stringContaining('other definitions') } },
  });
  const untouched = { fence: 0, attempts: 0, started_at: null };
  expect(await older.query('select fence, attempts, started_at from sync_job where id = $1', [job.id])).toEqual([
    untouched,
  ]);
  // Both run now. The older one may be notified first, any number of times.
  await start('body: text?, more: text?');
  await until('it is completed', async () => (await sender.job(job)).status === 'completed', 40_000);
  expect(await sender.job(job)).toMatchObject({ status: 'completed', definition: 2, counts: { updated: 1 } });
  expect(await older.query('select fence, attempts from sync_job where id = $1', [job.id])).toEqual([
    { fence: 1, attempts: 1 },
  ]);
  expect(await servers.at(-1)?.get('/notes', { headers: { 'X-Source': sender.source } })).toMatchObject({
    items: [{ externalId: '1', body: 'a', more: 'b' }],
  });
}, 90_000);
