import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { aPatient, Sender } from '../http/sender.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { type HttpResponse, HttpClient, violationOf, type HttpRequest } from './http-client.js';

const JSON_TYPE = { 'Content-Type': 'application/json' };
const OTHER_ORIGIN = { Origin: 'https://elsewhere.example', 'Access-Control-Request-Method': 'POST' };

let server: TestServer;
let client: HttpClient;

beforeAll(async () => {
  server = await startTestServer({ MAX_BODY_BYTES: 1000 });
  client = new HttpClient(server);
  await new Sender(server, 'default').mirror('/patients', [aPatient()]);
});

afterAll(async () => {
  client.close();
  await server.close();
});

/** Expects a problem with this status that reveals nothing about the server. */
function expectProblem(answer: HttpResponse, status: number): void {
  expect(answer).toMatchObject({ status });
  expect(
    violationOf({
      ...answer,
      status: Math.min(status, 499),
      text: answer.text.replace(/"status":5\d\d/, '"status":499'),
    }),
  ).toBeNull();
}

describe('a refusal', () => {
  it.each<[number, HttpRequest]>([
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
  ])('with %i is a problem without SQL, stacks, paths, versions and host names', async (status, request) => {
    expectProblem(await client.send(request), status);
  });

  it('because an idempotency key was used for another request is one, too', async () => {
    const headers = { ...JSON_TYPE, 'Idempotency-Key': 'k', 'X-Source': 'keys' };
    await client.send({ method: 'POST', path: '/patients', headers, body: '[]' });

    expectProblem(await client.send({ method: 'POST', path: '/patients', headers, body: '[ ]' }), 422);
  });
});

describe('a method that a path does not support', () => {
  it.each([
    ['PUT', '/patients', 'GET, HEAD, POST'],
    ['DELETE', '/patients/1', 'GET, HEAD'],
    ['POST', '/sync/jobs', 'GET, HEAD'],
    ['GET', '/sync/jobs/1/approve', 'POST'],
    ['POST', '/health', 'GET, HEAD'],
    ['POST', '/openapi.json', 'GET, HEAD'],
  ])('%s %s is answered 405 with the supported methods', async (method, path, allowed) => {
    const answer = await client.send({ method, path });

    expectProblem(answer, 405);
    expect(answer.headers.allow).toBe(allowed);
    expect(JSON.parse(answer.text).code).toBe('method_not_allowed');
  });

  it('is answered 404 if the path does not exist', async () => {
    expect((await client.send({ method: 'PUT', path: '/nothing' })).headers.allow).toBeUndefined();
  });
});

describe('another origin', () => {
  it('gets no permission by OPTIONS', async () => {
    const answer = await client.send({ method: 'OPTIONS', path: '/patients', headers: OTHER_ORIGIN });

    expectProblem(answer, 405);
  });

  it('gets no permission by any response', async () => {
    const { paths } = await server.get('/openapi.json');
    const pages = ['/docs', '/admin/queues', '/admin/queues/api/queues', '/openapi.json', '/nothing', '/'];
    const requests = [...Object.keys(paths), ...pages].flatMap((path) =>
      ['GET', 'OPTIONS', 'HEAD'].map((method) => ({ method, path, headers: OTHER_ORIGIN })),
    );

    const found = await client.violations(requests, ({ headers }) => {
      const names = Object.keys(headers).filter((name) => name.startsWith('access-control'));
      return names.length > 0 || headers['x-content-type-options'] !== 'nosniff' ? names.join() : null;
    });

    expect(found).toEqual([]);
  });
});

describe('a response', () => {
  it('in JSON declares its type and UTF-8', async () => {
    for (const path of ['/patients', '/payments', '/sync/jobs', '/changes', '/webhooks', '/health', '/openapi.json']) {
      const { headers } = await client.send({ method: 'GET', path });
      expect({ path, type: headers['content-type'] }).toEqual({ path, type: 'application/json; charset=utf-8' });
    }
  });

  it('with a snapshot has the Content-Type of its sender, and must not be sniffed', async () => {
    const from = new Sender(server);
    const body = '[{"externalId":"<script>alert(1)</script>"}]';
    const job = await from.mirror('/patients', body, { 'Content-Type': 'application/json; x="<script>"' });

    const { headers } = await from.fetch(`/sync/jobs/${job.id}/snapshot`);

    expect(headers.get('content-type')).toBe('application/json; x="<script>"');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'self'");
  });

  it('to something other than HTTP must not be sniffed either', async () => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => (text += part));
    socket.write('nonsense\r\n\r\n');
    await once(socket, 'close');

    expect(text).toContain('X-Content-Type-Options: nosniff');
  });
});

describe('a server with an internal error', () => {
  it('answers 500 without details, and a worker sends the same headers as others', async () => {
    const broken = await startTestServer();
    await new Sender(broken, 'default').mirror('/patients', [aPatient()]);
    await broken.query('alter view patient_of_source rename to mislaid; alter table sync_job rename to mislaid_job');
    const other = new HttpClient(broken);

    for (const path of ['/patients', '/patients/1', '/sync/jobs', '/metrics']) {
      expectProblem(await other.send({ method: 'GET', path }), 500);
    }
    expectProblem(await other.send({ method: 'POST', path: '/patients', headers: JSON_TYPE, body: '[]' }), 500);

    other.close();
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
