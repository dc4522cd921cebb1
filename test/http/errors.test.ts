import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MikroORM } from '@mikro-orm/postgresql';
import { plainResources } from '../../src/resources.js';
import { poolSize } from '../../src/settings/config.js';
import { BACKENDS, createDatabase, REDIS_URL, startTestServer, type TestServer, until } from '../setup/test-server.js';
import { type RawAnswer, rawRequest } from './raw-http.js';
import { aPatient, aPayment, Sender, somePatients } from './sender.js';
import { TcpProxy } from './tcp-proxy.js';

const NOBODY = '019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c';

/** What no answer may contain: stacks, SQL, names of tables, texts of drivers, paths. */
const SECRETS =
  /\n\s+at |node_modules|file:\/\/|\.[jt]s:\d|\bselect\b.+\bfrom\b|insert into|sync_job|snapshot_chunk|mirror_state|QueryFailed|DriverException|ECONN|syntax error|\/home\/|\/work\/|\/tmp\/|\/usr\//i;

/** method, path, headers, body, expected status */
type Case = [method: string, path: string, headers: Record<string, string>, body: string | null, status: number];

const JSON_TYPE = { 'Content-Type': 'application/json' };
const REFUSED: Case[] = [
  ['GET', '/', {}, null, 404],
  ['GET', '/nothing/here', {}, null, 404],
  ['GET', '/patients/nobody', {}, null, 404],
  ['GET', `/sync/jobs/${NOBODY}`, {}, null, 404],
  ['GET', '/sync/jobs/nonsense/errors', {}, null, 404],
  ['GET', '/admin', {}, null, 404],
  ['GET', '/patients/%E0%A4%A', {}, null, 400],
  ['GET', '/sync/jobs/%zz', {}, null, 400],
  ['GET', '/patients?limit=abc', {}, null, 400],
  ['GET', '/patients?q=%ff', {}, null, 400],
  ['GET', '/patients?foo=1', {}, null, 400],
  ['GET', '/patients?cursor=x', {}, null, 400],
  ['GET', '/health?x=1', {}, null, 400],
  ['GET', '/patients', { 'X-Source': 'no such name!' }, null, 400],
  ['POST', '/patients', JSON_TYPE, '', 400],
  ['POST', '/patients', JSON_TYPE, '<', 400],
  ['POST', '/patients', { 'Content-Type': 'text/plain' }, 'x', 415],
  ['POST', '/patients', { ...JSON_TYPE, 'Content-Encoding': 'deflate' }, 'x', 415],
  ['POST', '/patients', { ...JSON_TYPE, 'Content-Encoding': 'gzip' }, 'x', 400],
  ['POST', '/patients', { ...JSON_TYPE, 'Content-Digest': 'x' }, '[]', 400],
  ['POST', `/sync/jobs/${NOBODY}/approve`, {}, null, 404],
  ['POST', '/sync/jobs', JSON_TYPE, '[]', 405],
];

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server.close());

function ask(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body: string | null = null,
  on = server,
): Promise<RawAnswer> {
  return rawRequest(on, method, path, { headers, body: body ? [body] : [] });
}

function expectProblem({ status, headers, body }: RawAnswer, wanted: number): any {
  expect({ status, type: headers['content-type']?.split(';')[0], id: headers['x-request-id'] }).toEqual({
    status: wanted,
    type: 'application/problem+json',
    id: expect.stringMatching(/^[\w.-]{1,128}$/),
  });
  const problem = JSON.parse(body.toString());
  expect(problem).toMatchObject({
    type: expect.any(String),
    title: expect.any(String),
    status: wanted,
    detail: expect.any(String),
  });
  expect(body.toString()).not.toMatch(SECRETS);
  return problem;
}

describe('a refusal', () => {
  it.each(REFUSED)(
    'of %s %s %j is a problem that reveals nothing internal',
    async (method, path, headers, body, status) => {
      expectProblem(await ask(method, path, headers, body), status);
    },
  );

  it.each(['PUT', 'DELETE', 'PATCH', 'PROPFIND'])('of %s is a problem too', async (method) => {
    for (const path of ['/patients', '/patients/1', '/sync/jobs', `/sync/jobs/${NOBODY}`, '/health']) {
      expectProblem(await ask(method, path), 405);
    }
    expectProblem(await ask(method, '/nothing'), 404);
  });

  it('names every invalid parameter', async () => {
    const problem = expectProblem(await ask('GET', '/patients?limit=0&sort=x&foo=1&payment_min=abc'), 400);

    expect(new Set(problem.errors.map(({ parameter }: { parameter: string }) => parameter))).toEqual(
      new Set(['limit', 'sort', 'foo', 'payment_min']),
    );
    for (const error of problem.errors)
      expect(error).toEqual({ parameter: expect.any(String), code: expect.any(String), detail: expect.any(String) });
  });

  it.each([
    '/patients?q=%27%3B--',
    '/patients?cursor=W10',
    '/patients?cursor=bnVsbA',
    '/patients?cursor=e30',
    `/patients?cursor=${'A'.repeat(5001)}`,
    `/patients/${'%F0%9F%A6%84'.repeat(300)}`,
    '/payments?external_id=%27%20or%201=1',
    '/sync/jobs?resource=patients%27',
    '/admin/queues/api/queues/none',
    '/admin/queues/api/queues/sync/none',
    '/admin/queues/nowhere',
    '/docs/nowhere.js',
    '/admin/queues/%E0%A4%A',
    '/docs/%E0%A4%A',
    '/admin/queues/static/..%2f..%2fpackage.json',
    '/docs/..%2fpackage.json',
  ])('is never a 5xx: %s', async (path) => {
    const { status, body } = await ask('GET', path);

    expect(status).toBeLessThan(500);
    expect(body.toString()).not.toMatch(SECRETS);
  });

  it('of a HEAD request has no body', async () => {
    expect(await ask('HEAD', '/patients')).toMatchObject({ status: 200, body: Buffer.alloc(0) });
    expect(await ask('HEAD', '/nothing')).toMatchObject({ status: 404, body: Buffer.alloc(0) });
  });

  it('of a much too long URL does no harm', async () => {
    // Node itself refuses it and closes the connection; the sender may or may not receive an answer.
    const answer = await ask('GET', `/patients?q=${'x'.repeat(100_000)}`).catch(() => null);

    expect([null, 431]).toContain(answer?.status ?? null);
    expect((await ask('GET', '/health')).status).toBe(200);
  });
});

describe('X-Request-Id', () => {
  const PATHS = [
    '/patients',
    '/payments',
    '/sync/jobs',
    '/health',
    '/health/live',
    '/health/ready',
    '/metrics',
    '/docs',
    '/openapi.json',
    '/admin/queues',
    '/admin/queues/api/queues',
    '/nothing',
  ];

  it.each(PATHS)('is on the answer of %s, another one each time', async (path) => {
    const ids = [(await ask('GET', path)).headers['x-request-id'], (await ask('GET', path)).headers['x-request-id']];

    expect(ids).toEqual([expect.stringMatching(/^[\w.-]{8,128}$/), expect.stringMatching(/^[\w.-]{8,128}$/)]);
    expect(ids[0]).not.toBe(ids[1]);
  });

  it.each(REFUSED)('is echoed, also by the refusal of %s %s', async (method, path, headers, body) => {
    expect(
      (await ask(method, path, { ...headers, 'X-Request-Id': 'a-Valid_id.7' }, body)).headers['x-request-id'],
    ).toBe('a-Valid_id.7');
  });

  it.each(['a b', '<script>', 'x'.repeat(129), 'é', 'a;b', '"', 'a,b', ''])(
    'is not echoed if it is "%s"',
    async (id) => {
      const { headers } = await ask('GET', '/health/live', { 'X-Request-Id': Buffer.from(id).toString('latin1') });

      expect(headers['x-request-id']).toMatch(/^[\w-]{8,64}$/);
      expect(headers['x-request-id']).not.toBe(id);
    },
  );
});

describe('the headers', () => {
  it.each(['/patients', '/nothing', '/docs', '/admin/queues', '/openapi.json', '/health'])(
    'of %s are secure ones',
    async (path) => {
      const { headers } = await ask('GET', path);

      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
      });
      expect(headers['content-security-policy']).toContain("default-src 'self'");
      expect(headers).not.toHaveProperty('x-powered-by');
    },
  );
});

describe('the pages of operators', () => {
  it.each(['/health', '/health/live', '/health/ready'])('%s is 200', async (path) => {
    const { status, body } = await ask('GET', path);

    expect({ status, body: JSON.parse(body.toString()) }).toMatchObject({ status: 200, body: { status: 'ok' } });
  });

  it('/metrics is in the format of Prometheus and holds no external id', async () => {
    await new Sender(server, 'metered').mirror('/patients', [aPatient({ externalId: 'very-secret' })]);
    await ask('GET', '/patients/very-secret');

    const { status, headers, body } = await ask('GET', '/metrics');
    const lines = body.toString().trimEnd().split('\n');

    expect(status).toBe(200);
    expect(headers['content-type']).toMatch(/^text\/plain/);
    const sample = /^[a-z_:][\w:]*(\{([a-z_]\w*="([^"\\]|\\.)*",?)*\})? (-?[\d.]+(e[+-]?\d+)?|[+-]?Inf|NaN)$/i;
    for (const line of lines) if (line !== '' && !line.startsWith('#')) expect(line).toMatch(sample);
    expect(lines).toContainEqual(
      expect.stringMatching(/^counterpart_mirror_age_seconds\{source="metered",resource="patients"\} [\d.]+$/),
    );
    expect(lines).toContainEqual(
      expect.stringMatching(/^counterpart_http_request_seconds_count\{.*route="\/patients\/:externalId".*\} \d+$/),
    );
    expect(body.toString()).not.toContain('very-secret');
  });

  it('/docs loads, with its scripts and styles', async () => {
    const { status, headers, body } = await ask('GET', '/docs');
    const html = body.toString();

    expect(status).toBe(200);
    expect(headers['content-type']).toMatch(/^text\/html/);
    const files = [...html.matchAll(/(?:src|href)="(?:\.\/)?([^"]+\.(?:js|css))"/g)].map(([, file]) => file ?? '');
    expect(files.length).toBeGreaterThan(2);
    for (const file of files)
      expect((await ask('GET', new URL(file, 'http://x/docs/').pathname.replace('/docs/docs', '/docs'))).status).toBe(
        200,
      );
  });

  it('/admin/queues shows the queues', async () => {
    const { status, body } = await ask('GET', '/admin/queues');
    const queues = JSON.parse((await ask('GET', '/admin/queues/api/queues')).body.toString());

    expect(status).toBe(200);
    expect(body.toString()).toContain('counterpart');
    expect(queues.queues.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(['sync', 'sync-long', 'claim-payments', 'claim-payments-dead-letter']),
    );
  });
});

describe('the OpenAPI description', () => {
  let document: any;
  let operations: { method: string; path: string; operation: any }[];

  beforeAll(async () => {
    document = await server.get('/openapi.json');
    operations = Object.entries<any>(document.paths).flatMap(([path, item]) =>
      Object.entries<any>(item)
        .filter(([method]) => method !== 'parameters')
        .map(([method, operation]) => ({ method, path, operation })),
    );
  });

  it('is one of version 3.1 with a title and a version', () => {
    expect(document).toMatchObject({
      openapi: expect.stringMatching(/^3\.1\.\d$/),
      info: { title: 'counterpart', version: expect.any(String) },
    });
  });

  it('has every route of the contract', () => {
    const routes = operations.map(({ method, path }) => `${method} ${path}`);
    for (const route of [
      'post /patients',
      'get /patients',
      'get /patients/{externalId}',
      'get /patients/{externalId}/payments',
      'get /patients/{externalId}/history',
      'post /payments',
      'get /payments',
      'get /payments/{externalId}/history',
      'get /changes',
      'get /sync/jobs',
      'get /sync/jobs/{id}',
      'get /sync/jobs/{id}/events',
      'get /sync/jobs/{id}/errors',
      'get /sync/jobs/{id}/changes',
      'get /sync/jobs/{id}/snapshot',
      'post /sync/jobs/{id}/approve',
      'post /sync/jobs/{id}/reject',
      'post /sync/jobs/{id}/cancel',
      'post /sync/jobs/{id}/replay',
      'post /webhooks',
      'get /webhooks',
      'patch /webhooks/{id}',
      'delete /webhooks/{id}',
      'get /health',
      'get /health/live',
      'get /health/ready',
      'get /metrics',
    ]) {
      expect(routes).toContain(route);
    }
  });

  it('describes every operation and its answers', () => {
    for (const { method, path, operation } of operations) {
      const name = `${method} ${path}`;
      expect({ name, summary: operation.summary, id: operation.operationId }).toEqual({
        name,
        summary: expect.any(String),
        id: expect.any(String),
      });
      expect({ name, statuses: Object.keys(operation.responses) }).toEqual({
        name,
        statuses: expect.arrayContaining([expect.stringMatching(/^2\d\d$/)]),
      });
      for (const response of Object.values<any>(operation.responses))
        expect({ name, ...response }).toMatchObject({ name, description: expect.any(String) });
      const declared =
        operation.parameters
          ?.filter((parameter: any) => parameter.in === 'path')
          .map((parameter: any) => parameter.name) ?? [];
      expect({ name, declared }).toEqual({
        name,
        declared: [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter),
      });
      for (const parameter of operation.parameters ?? [])
        expect(parameter).toMatchObject({
          name: expect.any(String),
          in: expect.stringMatching(/^(query|header|path)$/),
        });
    }
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('has no unresolvable reference', () => {
    for (const [, reference] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const found = (reference ?? '').split('/').reduce((node, key) => node?.[key], document);
      expect({ reference, found: typeof found }).toEqual({ reference, found: 'object' });
    }
  });

  it('has examples that can be posted', async () => {
    const uploads = operations
      .toSorted((one, other) => (one.path < other.path ? -1 : 1))
      .filter(
        ({ path, operation }) =>
          operation.requestBody?.content['application/json'] && !/^\/(webhooks|api|cashflow)\b|liquidity/.test(path),
      );
    expect(uploads.map(({ path }) => path).toSorted()).toEqual(
      ['/claims', '/patients', '/payments', ...plainResources.map(({ name }) => `/${name}`)].toSorted(),
    );
    const from = new Sender(server);

    const claim = uploads.shift()?.operation.requestBody.content;
    for (const type of ['application/json', 'text/csv']) {
      const { example } = claim[type].schema;
      const body = typeof example === 'string' ? example : JSON.stringify(example);
      expect((await from.post('/claims', body, { 'Content-Type': type })).status).toBe(200);
    }
    for (const { path, operation } of uploads) {
      const { schema, example = schema.example } = operation.requestBody.content['application/json'];
      expect(await from.mirror(path, example)).toMatchObject({
        status: 'completed',
        counts: { received: 1, created: 1, rejected: 0, unresolved: 0 },
        warnings: [],
      });
    }
  });

  it('matches the real answers', async () => {
    const from = new Sender(server);
    const job = await from.mirror('/patients', [aPatient()]);
    await from.mirror('/payments', [aPayment()]);
    const { JobView, PatientView, JobChangeView, HistoryItem, FeedItem } = document.components.schemas;

    expect(Object.keys(JobView.properties)).toEqual(Object.keys(job));
    expect(Object.keys(PatientView.properties)).toEqual(Object.keys(await from.get('/patients/1')));
    for (const [schema, path] of [
      [JobChangeView, `/sync/jobs/${job.id}/changes`],
      [HistoryItem, '/patients/1/history'],
      [FeedItem, '/changes'],
    ]) {
      const [item] = (await from.get(path)).items;
      expect(Object.keys(schema.properties).toSorted()).toEqual(Object.keys(item).toSorted());
    }
  });
});

describe('while PostgreSQL is away', () => {
  let proxy: TcpProxy;
  let cut: TestServer;
  let from: Sender;

  beforeAll(async () => {
    const databaseUrl = await createDatabase();
    proxy = await TcpProxy.to(databaseUrl, 5432);
    cut = await startTestServer({ databaseUrl: proxy.way(databaseUrl) });
    from = new Sender(cut);
    await from.mirror('/patients', somePatients(3));
  });

  afterAll(async () => {
    await proxy.mend();
    await cut.close();
    await proxy.cut();
  });

  it('requests get a 503 with Retry-After, and afterwards everything works as before', async () => {
    const before = await from.get('/patients');
    await proxy.cut();

    for (const path of ['/patients', '/patients/1', '/payments', '/sync/jobs', `/sync/jobs/${NOBODY}`]) {
      const answer = await ask('GET', path, { 'X-Source': from.source }, null, cut);
      expectProblem(answer, 503);
      expect(answer.headers['retry-after']).toMatch(/^\d+$/);
    }
    const upload = await ask(
      'POST',
      '/patients',
      { ...JSON_TYPE, 'X-Source': from.source },
      JSON.stringify(somePatients(3)),
      cut,
    );
    expectProblem(upload, 503);
    expect(upload.headers['retry-after']).toMatch(/^\d+$/);
    const ready = await ask('GET', '/health/ready', {}, null, cut);
    expect({ status: ready.status, retry: ready.headers['retry-after'] }).toEqual({
      status: 503,
      retry: expect.any(String),
    });
    expect(ready.body.toString()).not.toMatch(SECRETS);
    expect((await ask('GET', '/health/live', {}, null, cut)).status).toBe(200);

    await proxy.mend();

    await until('it is ready again', async () => (await cut.fetch('/health/ready')).ok);
    expect(await from.get('/patients')).toEqual(before);
    expect(await from.mirror('/patients', somePatients(4))).toMatchObject({
      status: 'completed',
      counts: { created: 1, unchanged: 3 },
    });
  });

  it('accepted jobs are kept, and completed when it is back', async () => {
    const accepted: any = await (await from.post('/patients', somePatients(50_000))).json();
    await proxy.cut();
    expect((await from.fetch('/patients')).status).toBe(503);
    await proxy.mend();

    await until(
      'the job is done',
      async () => {
        const response = await from.fetch(`/sync/jobs/${accepted.id}`);
        return response.ok && ((await response.json()) as any).status === 'completed';
      },
      20_000,
    );
    expect((await from.get('/patients?limit=1')).items).toHaveLength(1);
  });

  it('lost transactions do not keep their connections of the pool', async () => {
    const em = cut.app.get(MikroORM).em.fork();
    const loseOne = () => em.transactional((inside) => inside.execute('select pg_terminate_backend(pg_backend_pid())'));

    for (let lost = 0; lost <= poolSize(cut.config); lost++) await expect(loseOne()).rejects.toThrow(/terminat/i);

    expect((await from.fetch('/patients')).status).toBe(200);
  });

  it('an interrupted upload is refused and nothing of it is stored', async () => {
    const stored = await from.storedSnapshots();
    const body = ['[', ...Array.from({ length: 40 }, () => ' '.repeat(100_000))];
    const upload = (async function* () {
      for (const [index, chunk] of body.entries()) {
        if (index === 20) await proxy.cut();
        yield Buffer.from(chunk);
      }
    })();

    const response = await cut.fetch('/patients', {
      method: 'POST',
      body: ReadableStream.from(upload) as unknown as ReadableStream,
      headers: { ...JSON_TYPE, 'X-Source': from.source },
      duplex: 'half',
    });

    expect(response.status).toBe(503);
    await proxy.mend();
    await until('it is ready again', async () => (await cut.fetch('/health/ready')).ok);
    expect((await from.jobs()).every(({ status }) => status === 'completed')).toBe(true);
    // What could not be deleted while PostgreSQL was away belongs to no job, and the cleaner deletes it.
    expect((await from.storedSnapshots()) - stored).toBeLessThanOrEqual(1);
  });
});

(BACKENDS.includes('redis') ? describe : describe.skip)('while the queue is away', () => {
  let proxy: TcpProxy;
  let cut: TestServer;
  let from: Sender;

  beforeAll(async () => {
    proxy = await TcpProxy.to(REDIS_URL, 6379);
    cut = await startTestServer({ backend: 'redis', redisUrl: proxy.way(REDIS_URL) });
    from = new Sender(cut);
  });

  afterAll(async () => {
    await proxy.mend();
    await cut.close();
    await proxy.cut();
  });

  it('uploads are accepted nevertheless, and completed when it is back', async () => {
    await proxy.cut();
    const begun = Date.now();

    const response = await from.post('/patients', somePatients(3));

    expect(response.status).toBe(202);
    expect(Date.now() - begun).toBeLessThan(20_000);
    expect((await from.get('/patients')).items).toEqual([]);
    const ready = await cut.fetch('/health/ready');
    expect({ status: ready.status, retry: ready.headers.get('retry-after') }).toEqual({
      status: 503,
      retry: expect.any(String),
    });
    expect((await cut.fetch('/health/live')).status).toBe(200);

    await proxy.mend();

    const { id }: any = await response.json();
    await until('the job is done', async () => (await from.get(`/sync/jobs/${id}`)).status === 'completed', 20_000);
    expect(await from.patientIds()).toEqual(['1', '2', '3']);
    await until('it is ready again', async () => (await cut.fetch('/health/ready')).ok);
  });

  it('its page is answered with 503 instead of hanging', async () => {
    await proxy.cut();

    const response = await cut.fetch('/admin/queues/api/queues', { signal: AbortSignal.timeout(20_000) });

    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await response.text()).not.toMatch(SECRETS);
    await proxy.mend();
    await until('it is back', async () => (await cut.fetch('/admin/queues/api/queues')).ok);
  });
});
