import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { aPatient, Sender } from '../http/sender.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { type Answer, Asker, complaintAbout, type Question } from './http-client.js';

const JSON_TYPE = { 'Content-Type': 'application/json' };
const OTHER_ORIGIN = { Origin: 'https://elsewhere.example', 'Access-Control-Request-Method': 'POST' };

let server: TestServer;
let asker: Asker;

beforeAll(async () => {
  server = await startTestServer({ MAX_BODY_BYTES: 1000 });
  asker = new Asker(server);
  await new Sender(server, 'default').mirror('/patients', [aPatient()]);
});

afterAll(async () => {
  asker.close();
  await server.close();
});

/** An answer that must be a problem of this status, and tell nothing that is ours. */
function expectProblem(answer: Answer, status: number): void {
  expect(answer).toMatchObject({ status });
  expect(
    complaintAbout({
      ...answer,
      status: Math.min(status, 499),
      text: answer.text.replace(/"status":5\d\d/, '"status":499'),
    }),
  ).toBeNull();
}

describe('a refusal', () => {
  it.each<[number, Question]>([
    [400, { method: 'GET', path: '/patients?limit=x' }],
    [400, { method: 'POST', path: '/patients', headers: JSON_TYPE, body: '<' }],
    [404, { method: 'GET', path: '/nothing' }],
    [404, { method: 'GET', path: '/patients/nobody' }],
    [405, { method: 'PATCH', path: '/patients' }],
    [405, { method: 'TRACE', path: '/patients' }],
    [413, { method: 'POST', path: '/patients', headers: JSON_TYPE, body: `[${' '.repeat(1000)}]` }],
    [414, { method: 'GET', path: `/patients?q=${'x'.repeat(8192)}` }],
    [415, { method: 'POST', path: '/patients', headers: { 'Content-Type': 'text/html' }, body: 'x' }],
    [
      415,
      { method: 'POST', path: '/patients', headers: { ...JSON_TYPE, 'Content-Encoding': 'gzip, gzip' }, body: 'x' },
    ],
    [431, { method: 'GET', path: '/patients', headers: { 'X-Long': 'x'.repeat(17_000) } }],
    [431, { method: 'GET', path: '/patients', headers: manyHeaders(120) }],
  ])('of %i is a problem without SQL, stacks, paths, versions and names of machines', async (status, question) => {
    expectProblem(await asker.ask(question), status);
  });

  it('of a key that was used for another request is one, too', async () => {
    const headers = { ...JSON_TYPE, 'Idempotency-Key': 'k', 'X-Source': 'keys' };
    await asker.ask({ method: 'POST', path: '/patients', headers, body: '[]' });

    expectProblem(await asker.ask({ method: 'POST', path: '/patients', headers, body: '[ ]' }), 422);
  });
});

describe('a method that an address does not know', () => {
  it.each([
    ['PUT', '/patients', 'GET, HEAD, POST'],
    ['DELETE', '/patients/1', 'GET, HEAD'],
    ['POST', '/sync/jobs', 'GET, HEAD'],
    ['GET', '/sync/jobs/1/approve', 'POST'],
    ['POST', '/health', 'GET, HEAD'],
    ['POST', '/openapi.json', 'GET, HEAD'],
  ])('%s %s is a 405 that names those that it knows', async (method, path, allowed) => {
    const answer = await asker.ask({ method, path });

    expectProblem(answer, 405);
    expect(answer.headers.allow).toBe(allowed);
    expect(JSON.parse(answer.text).code).toBe('method_not_allowed');
  });

  it('is a 404 where there is no such address', async () => {
    expect((await asker.ask({ method: 'PUT', path: '/nothing' })).headers.allow).toBeUndefined();
  });
});

describe('another origin', () => {
  it('is told nothing by OPTIONS', async () => {
    const answer = await asker.ask({ method: 'OPTIONS', path: '/patients', headers: OTHER_ORIGIN });

    expectProblem(answer, 405);
  });

  it('is let in by no answer', async () => {
    const { paths } = await server.get('/openapi.json');
    const pages = ['/docs', '/admin/queues', '/admin/queues/api/queues', '/openapi.json', '/nothing', '/'];
    const questions = [...Object.keys(paths), ...pages].flatMap((path) =>
      ['GET', 'OPTIONS', 'HEAD'].map((method) => ({ method, path, headers: OTHER_ORIGIN })),
    );

    const found = await asker.complaints(questions, ({ headers }) => {
      const names = Object.keys(headers).filter((name) => name.startsWith('access-control'));
      return names.length > 0 || headers['x-content-type-options'] !== 'nosniff' ? names.join() : null;
    });

    expect(found).toEqual([]);
  });
});

describe('an answer', () => {
  it('in JSON says so, and that it is UTF-8', async () => {
    for (const path of ['/patients', '/payments', '/sync/jobs', '/changes', '/webhooks', '/health', '/openapi.json']) {
      const { headers } = await asker.ask({ method: 'GET', path });
      expect({ path, type: headers['content-type'] }).toEqual({ path, type: 'application/json; charset=utf-8' });
    }
  });

  it('that gives a snapshot back is what the sender said it is, and is not guessed at', async () => {
    const from = new Sender(server);
    const body = '[{"externalId":"<script>alert(1)</script>"}]';
    const job = await from.mirror('/patients', body, { 'Content-Type': 'application/json; x="<script>"' });

    const { headers } = await from.fetch(`/sync/jobs/${job.id}/snapshot`);

    expect(headers.get('content-type')).toBe('application/json; x="<script>"');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'self'");
  });

  it('to what is no HTTP is not guessed at either', async () => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => (text += part));
    socket.write('nonsense\r\n\r\n');
    await once(socket, 'close');

    expect(text).toContain('X-Content-Type-Options: nosniff');
  });
});

describe('a server that is broken inside', () => {
  it('is a 500 that tells nothing, and a worker’s pages are as careful as others', async () => {
    const broken = await startTestServer();
    await new Sender(broken, 'default').mirror('/patients', [aPatient()]);
    await broken.query('alter view patient_of_source rename to mislaid; alter table sync_job rename to mislaid_job');
    const ask = new Asker(broken);

    for (const path of ['/patients', '/patients/1', '/sync/jobs', '/metrics']) {
      expectProblem(await ask.ask({ method: 'GET', path }), 500);
    }
    expectProblem(await ask.ask({ method: 'POST', path: '/patients', headers: JSON_TYPE, body: '[]' }), 500);

    ask.close();
    await broken.close();
    const worker = await startTestServer({ ROLE: 'worker' });
    const { headers } = await worker.fetch('/health/live');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    await worker.close();
  });
});

function manyHeaders(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`X-H${n}`, '1']));
}
