import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { openRequest } from '../http/raw-http.js';
import { aPatient, Sender } from '../http/sender.js';
import { startTestServer, type TestServer, until } from '../setup/test-server.js';
import { idleUpload, SlowClient } from './slow-client.js';

const IDLE_UPLOADS = 200;
const SOURCES = 25;

describe('while 200 uploads are idle', () => {
  let server: TestServer;
  let reader: Sender;
  let idle: SlowClient[];

  beforeAll(async () => {
    server = await startTestServer({ DATABASE_POOL_SIZE: 10 });
    reader = new Sender(server);
    await reader.mirror('/patients', [aPatient()]);
    idle = await Promise.all(
      Array.from({ length: IDLE_UPLOADS }, (_, n) => SlowClient.connect(server, idleUpload(`idle-${n % SOURCES}`))),
    );
    await until('all of them have started', async () => {
      const [slots] = await server.query('select count(*)::int as taken from upload_slot');
      return slots.taken === IDLE_UPLOADS;
    });
  }, 60_000);

  afterAll(async () => {
    for (const upload of idle) upload.close();
    await server.close();
  });

  it('reads and the uploads of other sources are answered', async () => {
    for (let round = 0; round < 20; round++) {
      const paths = ['/patients', '/patients/1', '/payments', '/sync/jobs', '/changes', '/health/ready'];
      const answers = await Promise.all(paths.map((path) => reader.fetch(path)));
      expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 200));
      await Promise.all(answers.map((answer) => answer.arrayBuffer()));
    }
    expect(await reader.mirror('/patients', [aPatient({ firstName: 'Roy' })])).toMatchObject({ status: 'completed' });
    expect(idle.every(({ isOpen }) => isOpen)).toBe(true);
  });

  it('they hold no database connection and have stored nothing', async () => {
    await until('all sessions are idle', async () => {
      const [sessions] = await server.query(
        `select count(*)::int as busy from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'`,
      );
      return sessions.busy === 0;
    });
    expect(await server.query(`select id from snapshot where not complete`)).toEqual([]);
  });
});

describe('an upload that is too slow', () => {
  let server: TestServer;
  let from: Sender;

  beforeAll(async () => {
    server = await startTestServer({ UPLOAD_IDLE_TIMEOUT_SECONDS: 2, UPLOAD_MIN_BYTES_PER_SECOND: 100 });
    from = new Sender(server);
  });

  afterAll(() => server.close());

  it.each([
    ['that stops', (client: SlowClient) => client],
    ['that sends single bytes', (client: SlowClient) => client.sendingSlowly(' ', 100)],
  ])('%s is answered 408 and disconnected, and nothing of it is stored', async (_what, behave) => {
    const caller = behave(await SlowClient.connect(server, idleUpload(from.source)));

    const answer = await caller.untilClosed();

    expect(answer).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
    expect(answer).toMatch(/\r\nConnection: close\r\n/i);
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ status: 408, code: 'body_too_slow' });
    await until('its bytes are deleted', async () => (await from.storedSnapshots()) === 0);
    expect(await from.jobs()).toEqual([]);
  });

  it('is also one that stops after megabytes', async () => {
    const { stream, answer } = openRequest(server, 'POST', '/patients', {
      'Content-Type': 'application/json',
      'X-Source': from.source,
    });
    stream.write(`[${' '.repeat(3_000_000)}`);

    expect(await answer).toMatchObject({ status: 408 });
    await until('its bytes are deleted', async () => (await from.storedSnapshots()) === 0);
  });

  it('is not one that is slow but steady', async () => {
    const { stream, answer } = openRequest(server, 'POST', '/patients', {
      'Content-Type': 'application/json',
      'X-Source': from.source,
    });
    stream.write('[');
    // This takes more than twice the interval over which the rate is measured.
    for (let n = 0; n < 50; n++) {
      stream.write(' '.repeat(2_000));
      await delay(100);
    }
    stream.end(']');

    expect(await answer).toMatchObject({ status: 202 });
  });

  it('frees its upload slot', async () => {
    const uploads = await Promise.all(
      Array.from({ length: 8 }, () => SlowClient.connect(server, idleUpload(from.source))),
    );
    await Promise.all(uploads.map((upload) => upload.untilClosed()));

    expect(await from.mirror('/patients', [aPatient()])).toMatchObject({ status: 'completed' });
  });
});

describe('a client that keeps a connection without using it', () => {
  let server: TestServer;
  const host = 'Host: localhost';
  const callers = new Map<string, SlowClient>();

  /** All clients connect here, since each waits up to half a minute. */
  beforeAll(async () => {
    server = await startTestServer();
    const slow: [string, string, string][] = [
      ['nothing at all', '', ''],
      ['half a line', 'GET /pati', ''],
      ['headers without end', `GET /patients HTTP/1.1\r\n${host}\r\nX-A: `, 'a'],
      ['a body that nobody reads', `GET /patients HTTP/1.1\r\n${host}\r\nContent-Length: 1000\r\n\r\n`, 'a'],
      [
        'a small body that never ends',
        `POST /webhooks HTTP/1.1\r\n${host}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`,
        ' ',
      ],
      ['nothing more', `GET /health/live HTTP/1.1\r\n${host}\r\n\r\n`, ''],
    ];
    for (const [what, bytes, more] of slow) {
      const caller = await SlowClient.connect(server, bytes);
      callers.set(what, more === '' ? caller : caller.sendingSlowly(more, 500));
    }
  });

  afterAll(() => server.close());

  it.each([
    ['nothing at all', ''],
    ['half a line', 'HTTP/1.1 408'],
    ['headers without end', 'HTTP/1.1 408'],
    ['a body that nobody reads', 'HTTP/1.1 200'],
    ['a small body that never ends', 'HTTP/1.1 408'],
    ['nothing more', 'HTTP/1.1 200'],
  ])(
    'by sending %s is disconnected',
    async (what, beginning) => {
      const received = (await callers.get(what)?.untilClosed()) ?? 'not connected';

      expect(received.slice(0, beginning.length)).toBe(beginning);
      expect((received.match(/HTTP\/1\.1 \d/g) ?? []).length).toBeLessThanOrEqual(1);
    },
    120_000,
  );
});

describe('more connections than a process may hold', () => {
  it('are closed, and accepted again after another one ends', async () => {
    const server = await startTestServer({ MAX_CONNECTIONS: 10 });
    const others = await Promise.all(Array.from({ length: 10 }, () => SlowClient.connect(server, '')));

    expect(await (await SlowClient.connect(server, '')).untilClosed()).toBe('');

    others[0]?.close();
    await until(
      'a connection is accepted',
      async () => (await server.fetch('/health/live').catch(() => null))?.status === 200,
    );
    for (const caller of others) caller.close();
    await server.close();
  });
});
