import { expect, it } from '@jest/globals';
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { startTestServer, type TestServer } from '../setup/test-server.js';

/** Much less than the hard exit, and enough for a busy machine. */
const LIMIT_MS = 10_000;

// Found by the chaos run: an api that was told to stop answered request after request over connections that had been
// busy at that moment, and came to its hard exit after 15 s.
it('stops though a client goes on asking over a connection that is kept alive', async () => {
  const server = await startTestServer({ ROLE: 'api' });
  const job: any = await (await server.submit('/patients', [])).json();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  // No worker is there: this waits until the stop, and keeps the connection busy.
  const waiting = ask(server, agent, `/sync/jobs/${job.id}`, { Prefer: 'wait=30' });
  let isOver = false;
  const asking = waiting.then(async () => {
    while (!isOver) await ask(server, agent, '/health/live', {});
  });
  asking.catch(() => undefined);
  // Over a connection of its own, and answered after the one above has come in.
  await server.get('/sync/jobs');

  const hasStopped = server.close().then(() => true);
  const stopped = await Promise.race([hasStopped, delay(LIMIT_MS, false, { ref: false })]);

  isOver = true;
  expect(stopped).toBe(true);
  await asking.catch(() => undefined);
  agent.destroy();
});

function ask(server: TestServer, agent: Agent, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    get(new URL(path, server.url), { agent, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    }).on('error', reject);
  });
}
