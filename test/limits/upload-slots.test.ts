import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type OpenRequest, openRequest } from '../http/raw-http.js';
import { aPatient, Sender } from '../http/sender.js';
import { killServerProcesses, SERVER, ServerProcess } from '../setup/server-process.js';
import { startTestServer, type TestServer, until } from '../setup/test-server.js';

const MAX_CONCURRENT_UPLOADS = 4;

let server: TestServer;
let other: TestServer;
let from: Sender;
const dribbling: OpenRequest[] = [];

beforeAll(async () => {
  server = await startTestServer({ ROLE: 'api', MAX_CONCURRENT_UPLOADS });
  other = await startTestServer({ ROLE: 'api', MAX_CONCURRENT_UPLOADS, databaseUrl: server.databaseUrl });
});

beforeEach(() => {
  from = new Sender(server);
});

afterEach(async () => {
  // Otherwise the servers could not stop.
  for (const { stream } of dribbling.splice(0)) stream.destroy();
  await killServerProcesses();
});

afterAll(async () => {
  await other.close();
  await server.close();
});

/** An upload that has started and does not end. */
function dribble(at: { url: string }): OpenRequest {
  const upload = openRequest(at, 'POST', '/patients', { 'Content-Type': 'application/json', 'X-Source': from.source });
  upload.stream.write('[');
  dribbling.push(upload);
  return upload;
}

async function slots(): Promise<number> {
  const [row] = await server.query(
    'select count(*)::int as held from upload_slot join source on source.id = source_id where name = $1',
    [from.source],
  );
  return row.held;
}

function tryAt(where: TestServer): Promise<Response> {
  return new Sender(where, from.source).post('/patients', [aPatient()]);
}

describe('uploads of one source', () => {
  it('are limited over all instances, while another source is served', async () => {
    const uploads = [dribble(server), dribble(other), dribble(server), dribble(other)];
    await until('all are running', async () => (await slots()) === 4);

    for (const where of [server, other]) {
      const refused = await tryAt(where);
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
      expect(await refused.json()).toMatchObject({ code: 'too_many_uploads' });
    }
    expect((await new Sender(other).post('/patients', [])).status).toBe(202);

    uploads[0]?.stream.end(']');
    expect((await uploads[0]?.answer)?.status).toBe(202);
    // The slot was released before the answer was sent.
    expect((await tryAt(other)).status).toBe(202);
    for (const { stream } of uploads.slice(1)) stream.destroy();
    await until('all slots are released', async () => (await slots()) === 0);
  });

  it('never exceed the limit when they start at the same moment', async () => {
    const uploads = Array.from({ length: 12 }, (_, n) => dribble(n % 2 ? server : other));

    let refused = 0;
    for (const { answer } of uploads) {
      answer.then(
        ({ status }) => (refused += Number(status === 429)),
        () => undefined,
      );
    }
    await until('the others are refused', () => refused === 8);

    expect(await slots()).toBe(4);
    for (const { stream } of uploads) stream.destroy();
    await until('all slots are released', async () => (await slots()) === 0);
  });

  it('keep their slots while they run, and those of a killed process are released', async () => {
    const env = { DATABASE_URL: server.databaseUrl, PORT: '0', ROLE: 'api', LOG_LEVEL: 'silent', REDIS_URL: '' };
    const main = SERVER;
    const settings = { ...env, MAX_CONCURRENT_UPLOADS: String(MAX_CONCURRENT_UPLOADS) };
    const killed = await ServerProcess.start(settings, { main });
    const uploads = [1, 2, 3, 4].map(() => dribble(killed));
    await until('all are running', async () => (await slots()) === 4);
    const ends = () => server.query(`select max(until)::text as last from upload_slot`);
    const [{ last }] = await ends();
    await until('the slots are renewed', async () => (await ends())[0].last > last);
    expect((await tryAt(server)).status).toBe(429);

    await killed.kill();

    // Within 30 s: a lease is 8 s, and the rest is for a busy machine.
    await until('the slots are free', async () => (await tryAt(server)).status === 202, 30_000);
    for (const { stream } of uploads) stream.destroy();
  }, 60_000);
});
