import { MikroORM } from '@mikro-orm/postgresql';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { Registry } from 'prom-client';
import { poolSize } from '../../src/settings/config.js';
import { VERSION } from '../../src/values/version.js';
import { SYNC_QUEUES } from '../../src/sync/model/sync-queues.js';
import { basic, bearer, makeKey, WRONG_KEY } from '../access/keys.js';
import { Receiver } from '../webhooks/receiver.js';
import { WebhookOwner } from '../webhooks/webhook-owner.js';
import {
  BACKENDS,
  createDatabase,
  queueOn,
  REDIS_URL,
  startTestServer,
  type TestServer,
  until,
} from '../setup/test-server.js';
import { aPatient, Sender } from './sender.js';
import { TcpProxy } from './tcp-proxy.js';

/** The value of a metric, summed over the series whose labels contain these texts; null if there is no such series. */
async function valueOf(server: TestServer, name: string, labels: string[] = [], headers = {}): Promise<number | null> {
  const response = await server.fetch('/metrics', { headers });
  if (response.status !== 200) throw new Error(`/metrics answered ${response.status}`);
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith(name));
  const series = lines.filter(
    (line) => /^[{ ]/.test(line.slice(name.length)) && labels.every((label) => line.includes(label)),
  );
  return series.length === 0 ? null : series.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** How many requests were answered with a status. */
function answeredWith(server: TestServer, status: number, headers = {}): Promise<number | null> {
  return valueOf(server, 'counterpart_http_request_seconds_count', [`status="${status}"`], headers);
}

describe('the metrics while PostgreSQL is away', () => {
  let proxy: TcpProxy;
  let server: TestServer;
  let key: string;

  beforeAll(async () => {
    const databaseUrl = await createDatabase();
    proxy = await TcpProxy.to(databaseUrl, 5432);
    server = await startTestServer({ databaseUrl: proxy.way(databaseUrl), AUTH: 'keys' });
    key = await makeKey(server, { scopes: ['ops'] });
  });

  afterAll(async () => {
    await proxy.mend();
    await server.close();
    await proxy.cut();
  });

  it('are served without the numbers of the database, and say that it is away', async () => {
    const [seen, unseen] = [bearer(key), bearer(await makeKey(server, { scopes: ['ops'] }))];
    const reader = bearer(await makeKey(server, { scopes: ['read'] }));
    await new Sender(server, 'metered').mirror('/patients', [aPatient()], bearer(await makeKey(server)));
    const jobs = () => valueOf(server, 'counterpart_mirror_age_seconds', ['source="metered"'], seen);
    const isUp = () => valueOf(server, 'counterpart_database_up', [], seen);
    expect([await isUp(), await jobs()]).toEqual([1, expect.any(Number)]);
    expect((await server.fetch('/metrics', { headers: reader })).status).toBe(403);

    await proxy.cut();

    expect([await isUp(), await jobs()]).toEqual([0, null]);
    expect(await valueOf(server, 'counterpart_queue_up', [], seen)).toBe(0);
    expect(await valueOf(server, 'process_resident_memory_bytes', [], seen)).toBeGreaterThan(0);
    // Who may read them was known before; other keys and other paths have to wait for the database.
    expect((await server.fetch('/metrics', { headers: basic(key) })).status).toBe(200);
    expect((await server.fetch('/metrics', { headers: unseen })).status).toBe(503);
    expect((await server.fetch('/metrics', { headers: reader })).status).toBe(403);
    expect((await server.fetch('/audit', { headers: seen })).status).toBe(503);
    expect(await answeredWith(server, 503, seen)).toBeGreaterThanOrEqual(2);

    await proxy.mend();
    await until('it is up again', async () => (await isUp()) === 1);
    expect(await jobs()).toEqual(expect.any(Number));
  });
});

describe('the metrics', () => {
  let server: TestServer;
  let ops: Record<string, string>;

  beforeAll(async () => {
    server = await startTestServer({ AUTH: 'keys', WEBHOOK_TARGETS: 'any', RATE_LIMIT_PER_MINUTE: 100_000 });
    ops = bearer(await makeKey(server));
  });

  afterAll(() => server.close());

  it('count requests that the authentication, a guard or a limit refuses', async () => {
    const reader = bearer(await makeKey(server, { scopes: ['read'] }));
    const limited = await startTestServer({ ROLE: 'api', RATE_LIMIT_PER_MINUTE: 3 });

    await server.fetch('/patients', { headers: bearer(WRONG_KEY) });
    await server.fetch('/audit', { headers: reader });
    for (let n = 0; n < 5; n++) await limited.fetch('/sync/jobs');

    expect(await answeredWith(server, 401, ops)).toBe(1);
    const forbidden = ['status="403"', 'route="/audit"', 'method="GET"'];
    expect(await valueOf(server, 'counterpart_http_request_seconds_count', forbidden, ops)).toBe(1);
    // The page itself is refused as well.
    const registry = limited.app.get(Registry, { strict: false });
    expect(await registry.metrics()).toMatch(/counterpart_http_request_seconds_count\{[^}]*status="429"\} 2/);
    await limited.close();
  });

  it('show who waits for a connection of the pool', async () => {
    const open = await startTestServer({ ROLE: 'api', databaseUrl: server.databaseUrl });
    const { em } = open.app.get(MikroORM);
    const waiting = () => valueOf(open, 'counterpart_database_pool_waiting');
    expect(await waiting()).toBe(0);

    const working = Array.from({ length: poolSize(open.config) + 5 }, () => em.fork().execute('select pg_sleep(1.5)'));

    expect(await waiting()).toBe(5);
    expect(await valueOf(open, 'counterpart_database_connections', ['state="idle"'])).toEqual(expect.any(Number));
    await Promise.all(working);
    await open.close();
  });

  it('measure how long receivers of webhooks take', async () => {
    const receiver = await Receiver.start();
    const owner = new WebhookOwner(server);
    Object.assign(server.headers, ops);
    const { id } = await owner.register(receiver.url('/hook'));
    await owner.mirror('/patients', [aPatient()]);
    await owner.settledAs(id, 'delivered');

    expect(await valueOf(server, 'counterpart_webhook_attempt_seconds_count', ['outcome="delivered"'])).toBe(1);
    expect(await valueOf(server, 'counterpart_webhook_attempt_seconds_sum', ['outcome="delivered"'])).toBeGreaterThan(
      0,
    );
    await receiver.close();
  });

  it('count what this process limits by itself while the store of the limits is away', async () => {
    expect(await valueOf(server, 'counterpart_rate_limit_fallbacks_total', [], ops)).toBe(0);
    await server.query('alter table rate_limit rename to gone');

    // A key that was not counted before needs a count of the store.
    await server.fetch('/patients', { headers: bearer(WRONG_KEY.replace('AA', 'BB')) });

    expect(await valueOf(server, 'counterpart_rate_limit_fallbacks_total', [], ops)).toBeGreaterThan(0);
    await server.query('alter table gone rename to rate_limit');
  });

  it('name the version, which is that of package.json', async () => {
    const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(VERSION).toBe(manifest.version);
    const labels = [`version="${VERSION}"`, `node="${process.version}"`, 'role="all"'];
    expect(await valueOf(server, 'counterpart_build_info', labels, ops)).toBe(1);
  });
});

describe.each(BACKENDS)('the depth of the queues, on the %s queue', (backend) => {
  it('is shown by queue and state', async () => {
    const api = await startTestServer({ backend, ROLE: 'api' });
    await new Sender(api).post('/patients', [aPatient()]);
    const waiting = () =>
      valueOf(api, 'counterpart_queue_depth', [`queue="${SYNC_QUEUES[queueOn(backend)]}"`, 'state="waiting"']);

    await until('the job is in the queue', async () => (await waiting()) === 1);

    expect(await valueOf(api, 'counterpart_queue_up')).toBe(1);
    await api.close();
  });
});

(BACKENDS.includes('redis') ? it : it.skip)('the metrics are served while Redis is away', async () => {
  const proxy = await TcpProxy.to(REDIS_URL, 6379);
  const server = await startTestServer({ backend: 'redis', ROLE: 'api', redisUrl: proxy.way(REDIS_URL) });
  expect(await valueOf(server, 'counterpart_queue_up')).toBe(1);

  await proxy.cut();

  expect(await valueOf(server, 'counterpart_queue_up')).toBe(0);
  expect(await valueOf(server, 'counterpart_database_up')).toBe(1);
  await proxy.mend();
  await until('the queue is up again', async () => (await valueOf(server, 'counterpart_queue_up')) === 1);
  await server.close();
  await proxy.cut();
});
