import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import pg from 'pg';
import { loadConfig } from '../../src/settings/config.js';
import type { Server } from '../../src/server.js';
import { type OpenRequest, openRequest } from '../http/raw-http.js';
import { BUILT_SERVER, killServerProcesses, ServerProcess } from '../setup/server-process.js';
import { createDatabase, startTestServer, TestServer, until } from '../setup/test-server.js';
import { aLine, Biller } from './biller.js';

const MIB = 2 ** 20;

const LARGE_BYTES = 4 * MIB;

const SENDERS = 60;

/** Well below the 240 MiB of all the bodies that are held back, with room for the largest claim that is checked meanwhile. */
const MAX_GROWTH_BYTES = 120 * MIB;

/** A claim of one line that takes the bytes of a large one. */
const large = () => JSON.stringify([aLine()]).padEnd(LARGE_BYTES);

describe('while 60 senders hold back the last byte of a large claim', () => {
  let process: ServerProcess;
  let server: TestServer;
  let slow: Biller;
  const senders: OpenRequest[] = [];
  const statuses: number[] = [];
  let before = 0;

  beforeAll(async () => {
    const env = { DATABASE_URL: await createDatabase(), PORT: '0', LOG_LEVEL: 'error' };
    process = await ServerProcess.start(env, { main: BUILT_SERVER });
    server = new TestServer({ url: process.url } as Server, env.DATABASE_URL, loadConfig(env));
    slow = new Biller(server);
    // The memory that such a claim takes by itself does not count.
    for (let n = 0; n < 3; n++) await slow.submit(large());
    before = process.peakMemory();
    const body = Buffer.alloc(LARGE_BYTES - 1, ' ');
    const headers = { 'Content-Type': 'application/json', 'Content-Length': LARGE_BYTES, 'X-Source': slow.source };
    for (let n = 0; n < SENDERS; n++) {
      const sender = openRequest(server, 'POST', '/claims', headers);
      sender.stream.write(body);
      sender.answer.then(
        ({ status }) => statuses.push(status),
        () => undefined,
      );
      senders.push(sender);
    }
  }, 60_000);

  afterAll(async () => {
    for (const { stream } of senders) stream.destroy();
    await killServerProcesses();
  });

  it('others are served, and small claims of the same source', async () => {
    const other = new Biller(server);

    const answers = await Promise.all([
      server.fetch('/health/ready'),
      other.post([aLine()]),
      other.post(large()),
      slow.post([aLine()]),
      server.submit('/patients?mode=partial', []),
    ]);

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 202]);
  });

  it('a large claim of the same source takes the place of one of them', async () => {
    const answers: number[] = [];

    await until('it is accepted', async () => {
      answers.push((await slow.post(large())).status);
      return answers.at(-1) === 200;
    });

    expect(answers.slice(0, -1).filter((status) => status !== 429)).toEqual([]);
  });

  it('most of them are refused, and their bodies are not held', async () => {
    await until('they are answered', () => statuses.length >= SENDERS - 2);

    expect([...new Set(statuses)].filter((status) => ![408, 429, 503].includes(status))).toEqual([]);
    expect(statuses).toContain(429);
    expect(process.peakMemory() - before).toBeLessThan(MAX_GROWTH_BYTES);
  });
});

describe('while claims wait for the database', () => {
  let server: TestServer;
  let blocker: pg.Client;

  beforeAll(async () => {
    server = await startTestServer({ ROLE: 'api' });
    blocker = new pg.Client(server.databaseUrl);
    await blocker.connect();
  });

  afterAll(async () => {
    await blocker.end();
    await server.close();
  });

  it('others are checked, compressed ones too', async () => {
    const biller = new Biller(server);
    const compressed = (body: unknown) => biller.post(gzipSync(JSON.stringify(body)), { 'Content-Encoding': 'gzip' });
    await biller.submit([aLine()]);
    await blocker.query('begin; lock table claim in access exclusive mode');

    const stored = [compressed([aLine()]), biller.post(large()), compressed([aLine()])];
    await until('they wait for the lock', async () => {
      const [waiting] = await server.query(
        `select count(*)::int as n from pg_locks where relation = 'claim'::regclass and not granted`,
      );
      return waiting.n === stored.length;
    });
    const faulty = [{ provider_npi: '1' }];
    const refused = await Promise.all([compressed(faulty), biller.post(faulty), compressed(faulty)]);
    await blocker.query('rollback');

    expect(refused.map(({ status }) => status)).toEqual([422, 422, 422]);
    expect((await Promise.all(stored)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });
});

describe('the memory of one source', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ ROLE: 'api', MAX_CLAIM_BYTES: MIB });
  });

  afterAll(() => server.close());

  it('is enough for several large claims that are sent at once, if those that are told to are sent again', async () => {
    const biller = new Biller(server);
    const body = JSON.stringify([aLine()]).padEnd(MIB);
    const refused: number[] = [];
    const sendUntilAccepted = (n: number) =>
      until(`claim ${n} is accepted`, async () => {
        const { status } = await (n % 2 ? biller.post(body) : zipped(biller, body));
        if (status !== 200) refused.push(status);
        return status === 200;
      });

    await Promise.all(Array.from({ length: 8 }, (_, n) => sendUntilAccepted(n)));

    expect(refused.filter((status) => status !== 429)).toEqual([]);
  });
});

function zipped(biller: Biller, body: string): Promise<Response> {
  return biller.post(gzipSync(body), { 'Content-Encoding': 'gzip' });
}
