import { afterEach, describe, expect, it } from '@jest/globals';
import { bearer, makeKey } from '../access/keys.js';
import { BACKENDS, startTestServer, type TestServer, type TestServerOptions } from '../setup/test-server.js';

const running: TestServer[] = [];

afterEach(async () => {
  for (const server of running.splice(0).toReversed()) await server.close();
});

async function start(options: TestServerOptions): Promise<TestServer> {
  const server = await startTestServer({ ROLE: 'api', RATE_LIMIT_PER_MINUTE: 0, ...options });
  running.push(server);
  return server;
}

/** The statuses of sequential calls. All of them are within one minute, which begins with the first. */
async function statusesOf(count: number, ask: (call: number) => Promise<Response>): Promise<number[]> {
  const statuses: number[] = [];
  for (let call = 0; call < count; call += 1) statuses.push((await ask(call)).status);
  return statuses;
}

const TEN = Array.from({ length: 10 }, () => 200);

describe.each(BACKENDS)('the limit of calls for the top providers, counted in %s,', (backend) => {
  it('allows a caller ten calls a minute, over all instances', async () => {
    const one = await start({ backend });
    const other = await start({ backend, databaseUrl: one.databaseUrl, QUEUE_PREFIX: one.config.QUEUE_PREFIX });

    const statuses = await statusesOf(12, (call) => (call % 3 === 0 ? one : other).fetch('/providers/top'));
    expect(statuses).toEqual([...TEN, 429, 429]);

    for (const server of [one, other]) {
      const refused = await server.fetch('/providers/top?limit=1');
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
      expect(refused.headers.get('ratelimit-limit')).toBe('10');
      expect(refused.headers.get('ratelimit-remaining')).toBe('0');
      expect(await refused.json()).toMatchObject({ status: 429, code: 'rate_limited' });
    }
    // Other routes are not affected, nor are callers of another source.
    expect((await one.fetch('/claims')).status).toBe(200);
    expect((await other.fetch('/providers/top', { headers: { 'X-Source': 'other' } })).status).toBe(200);
  });

  it('is exact for concurrent calls to two instances', async () => {
    const one = await start({ backend });
    const other = await start({ backend, databaseUrl: one.databaseUrl, QUEUE_PREFIX: one.config.QUEUE_PREFIX });

    const calls = Array.from({ length: 60 }, (_, call) => (call % 2 ? one : other).fetch('/providers/top'));
    const statuses = (await Promise.all(calls)).map(({ status }) => status);

    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
    expect(statuses.filter((status) => status === 429)).toHaveLength(50);
  });
});

describe('the limit of calls for the top providers', () => {
  it('is counted by key, whatever the answer', async () => {
    const server = await start({ AUTH: 'keys' });
    const [one, other] = [bearer(await makeKey(server)), bearer(await makeKey(server))];
    const ask = (path: string, headers: Record<string, string> = one) => server.fetch(path, { headers });

    expect(await statusesOf(5, () => ask('/providers/top?limit=0'))).toEqual([400, 400, 400, 400, 400]);
    expect(await statusesOf(3, (call) => ask('/providers/top', { ...one, 'X-Source': `s${call}` }))).toEqual([
      200, 200, 200,
    ]);
    // A call without a key is not counted.
    expect((await server.fetch('/providers/top')).status).toBe(401);
    expect(await statusesOf(3, () => ask('/providers/top'))).toEqual([200, 200, 429]);
    expect((await ask('/providers/top?limit=0')).status).toBe(429);

    expect((await ask('/providers/top', other)).status).toBe(200);
  });

  it('can be configured, and applies in addition to the limit of all requests', async () => {
    const server = await start({ TOP_PROVIDERS_PER_MINUTE: 2, RATE_LIMIT_PER_MINUTE: 6 });

    expect(await statusesOf(4, () => server.fetch('/providers/top'))).toEqual([200, 200, 429, 429]);
    expect(await statusesOf(3, () => server.fetch('/claims'))).toEqual([200, 200, 429]);
  });
});
