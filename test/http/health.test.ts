import { afterEach, describe, expect, it } from '@jest/globals';
import { BACKENDS, REDIS_URL, startTestServer, type TestServer, until } from '../setup/test-server.js';
import { TcpProxy } from './tcp-proxy.js';

(BACKENDS.includes('redis') ? describe : describe.skip)('readiness', () => {
  let proxy: TcpProxy;
  let server: TestServer;

  afterEach(async () => {
    await proxy.mend();
    await server.close();
    await proxy.cut();
  });

  it('is found out once a second at most, over one connection to Redis', async () => {
    proxy = await TcpProxy.to(REDIS_URL, 6379);
    server = await startTestServer({ backend: 'redis', ROLE: 'api', redisUrl: proxy.way(REDIS_URL) });
    expect((await server.fetch('/health/ready')).status).toBe(200);
    const [before, begun] = [proxy.connections, performance.now()];

    let asked = 0;
    await until('several verdicts were given', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => server.fetch('/health/ready')));
      asked += answers.length;
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      return asked > 100 && performance.now() - begun > 2_500;
    });

    // A few more, as those of the queues may be made meanwhile.
    expect(proxy.connections - before).toBeLessThan(5);
  });

  it('follows Redis as it goes and comes', async () => {
    proxy = await TcpProxy.to(REDIS_URL, 6379);
    server = await startTestServer({ backend: 'redis', ROLE: 'api', redisUrl: proxy.way(REDIS_URL) });
    for (let times = 0; times < 2; times += 1) {
      await until('it is ready', async () => (await server.fetch('/health')).ok);
      await proxy.cut();
      await until('it is not', async () => (await server.fetch('/health')).status === 503);
      expect(await server.get('/health')).toMatchObject({ status: 'error', details: { redis: { status: 'down' } } });
      await proxy.mend();
    }
    await until('it is ready', async () => (await server.fetch('/health')).ok);
  });
});
