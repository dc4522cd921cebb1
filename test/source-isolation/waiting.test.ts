import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { allKeys, bearer, makeKey } from '../access/keys.js';
import { Sender, somePatients } from '../http/sender.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';

let server: TestServer;

beforeAll(async () => {
  // There is no worker, so that callers who wait for a job keep waiting.
  server = await startTestServer({ ROLE: 'api', AUTH: 'keys' });
});

afterAll(() => server.close());

async function accepted(source: string, key: string): Promise<string> {
  const response = await new Sender(server, source).post('/patients', somePatients(2), bearer(key));
  return ((await response.json()) as { id: string }).id;
}

function events(source: string, job: string, key: string): Promise<Response> {
  return new Sender(server, source).fetch(`/sync/jobs/${job}/events`, { headers: bearer(key) });
}

it('callers who wait for jobs of different sources each see their own', async () => {
  const key = await makeKey(server);
  const [mine, theirs] = [await accepted('mine', key), await accepted('theirs', key)];
  const waiting = events('mine', mine, key);
  const first = (await waiting).body?.getReader();
  await first?.read();

  const second = (await events('theirs', theirs, key)).body?.getReader();

  const { value } = (await second?.read()) ?? {};
  expect(Buffer.from(value ?? []).toString()).toContain(`"id":"${theirs}"`);
  await Promise.all([first?.cancel(), second?.cancel()]);
});

it('a stream of events ends when its key is revoked', async () => {
  const key = await makeKey(server, { name: 'fleeting', source: 'mine' });
  const job = await accepted('mine', key);
  const reader = (await events('mine', job, key)).body?.getReader();
  await reader?.read();

  await allKeys(server).revoke('fleeting', 'a test');

  const drained = async (): Promise<string> => {
    for (;;) if ((await reader?.read())?.done !== false) return 'ended';
  };
  await expect(drained()).rejects.toThrow('terminated');
});
