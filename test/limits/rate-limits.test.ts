import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { MikroORM } from '@mikro-orm/postgresql';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { LimitStore } from '../../src/limits/limit-store.js';
import { RateLimits } from '../../src/limits/rate-limits.js';
import { SharedCounter } from '../../src/limits/shared-counter.js';
import { ProblemFilter } from '../../src/http/problem.filter.js';
import { Refusal } from '../../src/http/refusal.js';
import { basic, bearer, makeKey, WRONG_KEY } from '../access/keys.js';
import { TcpProxy } from '../http/tcp-proxy.js';
import {
  BACKENDS,
  REDIS_URL,
  startTestServer,
  type TestServer,
  type TestServerOptions,
  until,
} from '../setup/test-server.js';

@Controller('guarded')
class GuardedController {
  @Get()
  get(): string {
    return 'in';
  }
}

@Module({ controllers: [GuardedController] })
class Guarded {}

const running: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const server of running.splice(0).toReversed()) await server.close();
});

async function start(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await startTestServer({ ROLE: 'api', ...options });
  running.push(server);
  return server;
}

/** The statuses of sequential requests. They all fall into the one-minute window that the first one starts. */
async function statusesOf(count: number, ask: (index: number) => Promise<Response>): Promise<number[]> {
  const statuses: number[] = [];
  for (let index = 0; index < count; index += 1) statuses.push((await ask(index)).status);
  return statuses;
}

describe.each(BACKENDS)('the limit of requests, counted in %s,', (backend) => {
  it('accepts that many requests and refuses the next with the time to retry', async () => {
    const server = await start({ backend, RATE_LIMIT_PER_MINUTE: 3 });

    const answers = [];
    for (let n = 0; n < 4; n += 1) answers.push(await server.fetch('/sync/jobs'));

    const [first, , third, fourth] = answers as [Response, Response, Response, Response];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    const shown = answers.map(({ headers }) => [headers.get('ratelimit-limit'), headers.get('ratelimit-remaining')]);
    expect(shown).toEqual([
      ['3', '2'],
      ['3', '1'],
      ['3', '0'],
      ['3', '0'],
    ]);
    expect(Number(first.headers.get('ratelimit-reset'))).toBeLessThanOrEqual(60);
    expect(Number(third.headers.get('ratelimit-reset'))).toBeGreaterThan(0);
    expect(fourth.headers.get('retry-after')).toBe(fourth.headers.get('ratelimit-reset'));
    expect(fourth.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(fourth.headers.get('x-request-id')).not.toBeNull();
    expect(await fourth.json()).toMatchObject({ status: 429, code: 'rate_limited' });
  });

  it('is shared by all instances', async () => {
    const one = await start({ backend, RATE_LIMIT_PER_MINUTE: 6 });
    const { databaseUrl, config } = one;
    const other = await start({ backend, RATE_LIMIT_PER_MINUTE: 6, databaseUrl, QUEUE_PREFIX: config.QUEUE_PREFIX });

    const statuses = await statusesOf(8, (n) => (n % 2 ? one : other).fetch('/sync/jobs'));

    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 429, 429]);
  });

  it('is exact for concurrent requests, also where a process draws many at once', async () => {
    const server = await start({ backend, RATE_LIMIT_PER_MINUTE: 450 });

    const statuses = await Promise.all(
      Array.from({ length: 500 }, async () => (await server.fetch('/sync/jobs?limit=1')).status),
    );

    expect(statuses.filter((status) => status === 200)).toHaveLength(450);
    expect(statuses.filter((status) => status === 429)).toHaveLength(50);
  });

  it('starts again when its window ends', async () => {
    const server = await start({ backend });
    const store = new LimitStore(server.app.get(MikroORM).em, server.config);
    await store.connect();
    running.push({ close: async () => store.close() });
    const counter = new SharedCounter(store.counter({ name: randomUUID(), points: 2, windowSeconds: 1 }), 2);

    for (let used = 0; used < 2; used += 1) await counter.take('somebody');
    // On a slow machine the window may have ended by now; then the next one is used up too.
    await until('it is used up', async () => (await counter.take('somebody')).isExceeded);

    await until('the window is over', async () => !(await counter.take('somebody')).isExceeded);
    expect((await counter.take('somebody else')).isExceeded).toBe(false);
  });
});

describe('the limit of requests', () => {
  it('applies to a key, whichever way it is presented', async () => {
    const server = await start({ RATE_LIMIT_PER_MINUTE: 4, WRONG_KEYS_PER_MINUTE: 0, TRUST_PROXY: 1 });
    const ways = [
      { Authorization: 'Bearer secret-1' },
      { 'X-API-Key': 'secret-1' },
      { Authorization: `Basic ${btoa('me:secret-1')}` },
      { Authorization: 'bearer  secret-1' },
      { Authorization: 'Bearer secret-1' },
      { Authorization: 'Bearer secret-2' },
    ];

    // Each from another address, so that the limit of an address does not interfere.
    const statuses = await statusesOf(ways.length, (n) =>
      server.fetch('/sync/jobs', { headers: { 'X-Forwarded-For': `192.0.2.${n}`, ...ways[n] } }),
    );

    expect(statuses).toEqual([401, 401, 401, 401, 429, 401]);
    const kept = JSON.stringify(await server.query('select * from rate_limit'));
    expect(kept).not.toContain('secret');
  });

  describe('with a valid key', () => {
    /** The statuses of five requests, each from another address, where three a minute are allowed. */
    async function statusesWith(headersOf: (key: string, n: number) => Record<string, string>, path = '/sync/jobs') {
      const limits = { RATE_LIMIT_PER_MINUTE: 3, WRONG_KEYS_PER_MINUTE: 0 };
      const server = await start({ AUTH: 'keys', TRUST_PROXY: 1, ...limits });
      const key = await makeKey(server);
      return statusesOf(5, (n) =>
        server.fetch(path, { headers: { 'X-Forwarded-For': `192.0.2.${n}`, ...headersOf(key, n) } }),
      );
    }

    it('cannot be evaded by a random Authorization beside X-API-Key', async () => {
      const statuses = await statusesWith((key) => ({ 'X-API-Key': key, ...basic(randomUUID()) }));

      expect(statuses).toEqual([200, 200, 200, 429, 429]);
    });

    it.each<[string, string, (key: string) => Record<string, string>]>([
      ['X-API-Key beside a random Bearer', '/sync/jobs', (key) => ({ 'X-API-Key': key, ...bearer(randomUUID()) })],
      ['X-API-Key beside a random scheme', '/sync/jobs', (key) => ({ 'X-API-Key': key, Authorization: randomUUID() })],
      ['Bearer beside a random X-API-Key', '/sync/jobs', (key) => ({ ...bearer(key), 'X-API-Key': randomUUID() })],
      ['Basic beside a random X-API-Key', '/docs', (key) => ({ ...basic(key), 'X-API-Key': randomUUID() })],
      ['X-API-Key beside a random Basic', '/docs', (key) => ({ 'X-API-Key': key, ...basic(randomUUID()) })],
    ])('counts requests that are refused because their two keys differ: %s', async (_, path, headersOf) => {
      expect(await statusesWith(headersOf, path)).toEqual([401, 401, 401, 429, 429]);
    });

    it.each<[string, (key: string, n: number) => Record<string, string>]>([
      ['X-API-Key', (key, n) => ({ 'X-API-Key': key + '\u00a0'.repeat(n) })],
      ['Bearer', (key, n) => bearer(key + '\u00a0'.repeat(n))],
    ])('cannot be evaded by blanks around the key: %s', async (_, headersOf) => {
      expect(await statusesWith(headersOf)).toEqual([200, 200, 200, 429, 429]);
    });
  });

  it('applies to an address, whatever keys are presented from it', async () => {
    const server = await start({ RATE_LIMIT_PER_MINUTE: 3 });

    const statuses = await statusesOf(5, (n) =>
      server.fetch('/sync/jobs', { headers: { 'X-API-Key': `made-up-${n}` } }),
    );

    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    // Beyond it, made-up keys are not even counted.
    expect(await server.query(`select 1 from rate_limit where key like 'k:%'`)).toHaveLength(3);
  });

  it('ignores X-Forwarded-For unless a proxy is trusted', async () => {
    const server = await start({ AUTH: 'keys', RATE_LIMIT_PER_MINUTE: 2 });
    const from = (n: number) => ({ headers: { 'X-Forwarded-For': `192.0.2.${n}`, 'X-Real-IP': `192.0.2.${n}` } });

    const statuses = await statusesOf(3, (n) => server.fetch('/sync/jobs', from(n)));

    expect(statuses).toEqual([401, 401, 429]);
  });

  it('takes the address that a trusted proxy adds, and not those that the proxy received', async () => {
    const server = await start({ RATE_LIMIT_PER_MINUTE: 2, TRUST_PROXY: ['loopback'] });
    const from = (n: number) => ({ headers: { 'X-Forwarded-For': `10.0.0.${n}, 192.0.2.1` } });

    const statuses = await statusesOf(3, (n) => server.fetch('/sync/jobs', from(n)));

    expect(statuses).toEqual([401, 401, 429]);
    expect((await server.fetch('/sync/jobs', { headers: { 'X-Forwarded-For': '192.0.2.2' } })).status).toBe(401);
  });

  it('counts an IPv6 network as one address', async () => {
    const server = await start({ RATE_LIMIT_PER_MINUTE: 2, TRUST_PROXY: 1 });
    const from = (n: number) => ({ headers: { 'X-Forwarded-For': `2001:db8:0:1::${n}` } });

    expect(await statusesOf(3, (n) => server.fetch('/sync/jobs', from(n)))).toEqual([401, 401, 429]);
    const next = { headers: { 'X-Forwarded-For': '2001:db8:0:2::1' } };
    expect((await server.fetch('/sync/jobs', next)).status).toBe(401);
  });

  it('applies to pages and unknown paths, and not to health checks', async () => {
    const server = await start({ RATE_LIMIT_PER_MINUTE: 1 });
    await server.fetch('/nothing-here');

    const pages = ['/docs', '/openapi.json', '/admin/queues', '/metrics'];
    const paths = [...pages, '/nothing-here', '/patients', '/healthy', '/health/x', '/health/', '/health/live/x'];
    const statuses = await statusesOf(paths.length, (n) => server.fetch(paths[n] ?? ''));

    expect(statuses).toEqual(paths.map(() => 429));
    const health = await server.fetch('/health/live');
    expect([health.status, health.headers.get('ratelimit-limit')]).toEqual([200, null]);
    expect((await server.fetch('/health')).status).toBe(200);
  });

  it('is off when it is 0', async () => {
    const server = await start({ RATE_LIMIT_PER_MINUTE: 0 });

    expect((await server.fetch('/sync/jobs')).headers.get('ratelimit-limit')).toBeNull();
  });

  it('is counted by each process while the database cannot count', async () => {
    const server = await start({ RATE_LIMIT_PER_MINUTE: 3 });
    await server.query('alter table rate_limit rename to gone');

    expect(await statusesOf(4, () => server.fetch('/sync/jobs'))).toEqual([200, 200, 200, 429]);
  });

  const redis = BACKENDS.includes('redis') ? it : it.skip;
  redis('is counted by each process while Redis is away', async () => {
    const proxy = await TcpProxy.to(REDIS_URL, 6379);
    running.push({ close: () => proxy.cut() });
    const server = await start();
    const config = { ...server.config, REDIS_URL: proxy.way(REDIS_URL) };
    const store = new LimitStore(server.app.get(MikroORM).em, config);
    running.push({ close: async () => store.close() });
    await store.connect();
    const counter = new SharedCounter(store.counter({ name: randomUUID(), points: 3, windowSeconds: 60 }), 3);
    await counter.take('somebody');
    await proxy.cut();

    const counts = [];
    for (let n = 0; n < 4; n += 1) counts.push(await counter.take('somebody'));

    expect(counts.map(({ isExceeded }) => isExceeded)).toEqual([false, false, false, true]);
  });
});

describe('wrong keys', () => {
  let server: TestServer;
  let app: NestExpressApplication;
  let url: string;

  beforeAll(async () => {
    server = await startTestServer({ ROLE: 'api', AUTH: 'open', WRONG_KEYS_PER_MINUTE: 3, TRUST_PROXY: 1 });
    app = await NestFactory.create<NestExpressApplication>(Guarded, { logger: false });
    app.set('trust proxy', 1);
    app.use(server.app.get(RateLimits).check);
    app.useGlobalGuards({
      canActivate: (context) => {
        const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
        if (headers['x-api-key'] === 'right') return true;
        throw new Refusal(401, 'unauthorized', 'No.');
      },
    });
    app.useGlobalFilters(new ProblemFilter());
    await app.listen(0, '127.0.0.1');
    url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}/guarded`;
  });

  afterAll(async () => {
    await app.close();
    await server.close();
  });

  function show(key: string | null, address: string): Promise<Response> {
    return fetch(url, { headers: { 'X-Forwarded-For': address, ...(key === null ? {} : { 'X-API-Key': key }) } });
  }

  it('are refused with 429 after too many, while a valid one is still accepted', async () => {
    expect(await statusesOf(5, (n) => show(`wrong-${n}`, '192.0.2.1'))).toEqual([401, 401, 401, 429, 429]);

    const refused = await show('wrong', '192.0.2.1');
    expect(refused.headers.get('retry-after')).toMatch(/^[1-9]\d?$/);
    expect(await refused.json()).toMatchObject({
      code: 'rate_limited',
      detail: 'Too many wrong keys from this address.',
    });
    expect((await show('right', '192.0.2.1')).status).toBe(200);
    expect((await show('wrong', '192.0.2.2')).status).toBe(401);
  });

  it('are counted on every path, also beside those of health checks', async () => {
    const other = await start({ AUTH: 'keys', WRONG_KEYS_PER_MINUTE: 3 });
    const paths = ['/health/x', '/health/', '/health/ready/', '/Health/live', '/health/y'];

    const statuses = await statusesOf(paths.length, (n) => other.fetch(paths[n] ?? '', { headers: bearer(WRONG_KEY) }));

    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    expect((await other.fetch('/health/live', { headers: bearer(WRONG_KEY) })).status).toBe(200);
  });

  it('do not include requests without a key', async () => {
    expect(await statusesOf(5, () => show(null, '192.0.2.3'))).toEqual([401, 401, 401, 401, 401]);
  });

  it('are counted in the metrics', async () => {
    const metrics = await (await server.fetch('/metrics')).text();

    expect(metrics).toContain('counterpart_rate_limited_total{limit="wrong_keys"} 3');
    expect(metrics).toContain('counterpart_unauthorized_total{key="none"} 5');
  });
});
