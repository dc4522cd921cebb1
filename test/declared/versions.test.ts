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

it('a job is read by a server that has the definition that was applied last, and tells its version', async () => {
  const older = await start('body: text?');
  const sender = new Sender(older);
  expect(await sender.mirror('notes', [{ id_: '1', body: 'a' }])).toMatchObject({ status: 'completed', definition: 1 });
  const newer = await start('body: text?, more: text?');
  await newer.close();
  servers.pop();

  const job = await sender.submit('notes', [{ id_: '1', body: 'a', more: 'b' }]);

  // The only server that runs would leave the new field out.
  await until('it was tried and put back', async () => {
    const [row] = await older.query(`select retry_at is not null as back from sync_job where id = $1`, [job.id]);
    return row.back;
  });
  expect(await sender.job(job)).toMatchObject({ status: 'queued', counts: { created: 0 } });
  // While both run, the older one may take the job again and again, and put it back each time.
  await older.close();
  servers.pop();
  const back = await start('body: text?, more: text?');
  const headers = { 'X-Source': sender.source };
  const now = () => back.get(`/sync/jobs/${job.id}`, { headers });
  await until('it is completed', async () => (await now()).status === 'completed', 40_000);
  expect(await now()).toMatchObject({ status: 'completed', definition: 2, counts: { updated: 1 } });
  expect(await back.get('/notes', { headers })).toMatchObject({
    items: [{ externalId: '1', body: 'a', more: 'b' }],
  });
}, 90_000);
