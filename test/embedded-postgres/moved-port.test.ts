import { afterAll, expect, it, jest } from '@jest/globals';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { commandEnvironment } from '../setup/command-line.js';
import { killServerProcesses, ServerProcess } from '../setup/server-process.js';
import { until } from '../setup/test-server.js';

jest.setTimeout(90_000);

const root = mkdtempSync(join(tmpdir(), 'moved-port-'));
// PostgreSQL's own user has to be able to enter it.
chmodSync(root, 0o755);

afterAll(async () => {
  await killServerProcesses();
  rmSync(root, { recursive: true, force: true });
});

it('an embedded PostgreSQL whose port was taken moves to another one, and the application and its queue follow', async () => {
  const DATA_DIR = join(root, 'data');
  const log = new PassThrough();
  let said = '';
  log.on('data', (piece) => (said += String(piece)));
  const noneOfOurs = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]));
  const env = { ...noneOfOurs, ...commandEnvironment(), NODE_ENV: 'test', PORT: '0', DATA_DIR, LOG_LEVEL: 'warn' };
  const server = await ServerProcess.start(env, { main: join('dist', 'main.js'), log });
  await mirror(server, 1);
  const { pid, port } = postmasterOf(DATA_DIR);

  process.kill(pid, 'SIGKILL');
  const occupant = await occupy(port);

  await until('PostgreSQL is back', () => said.includes('PostgreSQL is back on port'), 60_000);
  const now = postmasterOf(DATA_DIR).port;
  expect(now).not.toBe(port);
  expect(said).toContain(`another program has taken port ${port}; trying port `);
  // Of the ports that it tries, another test may have taken one meanwhile.
  expect(said).toContain(`; trying port ${now}`);
  await until('the server is ready', async () => (await fetch(`${server.url}/health/ready`)).ok);
  await mirror(server, 2);
  const { items } = (await (await fetch(`${server.url}/patients`)).json()) as { items: unknown[] };
  expect(items).toHaveLength(2);
  await server.stop();
  occupant.close();
});

/** Sends a snapshot of so many patients, which only a worker can apply: the queue has to work as well. */
async function mirror(server: ServerProcess, patients: number): Promise<void> {
  const records = Array.from({ length: patients }, (_, n) => ({
    externalId: String(n),
    firstName: 'A',
    lastName: 'B',
  }));
  const headers = { 'Content-Type': 'application/json', Prefer: 'wait=30' };
  const response = await fetch(`${server.url}/patients`, { method: 'POST', headers, body: JSON.stringify(records) });
  expect(await response.json()).toMatchObject({ status: 'completed' });
}

function postmasterOf(dataDir: string): { pid: number; port: number } {
  const lines = readFileSync(join(dataDir, 'cluster', 'postmaster.pid'), 'utf8').split('\n');
  return { pid: Number(lines[0]), port: Number(lines[3]) };
}

/** Takes the port as soon as the server that was killed has left it, which is a tenth of a second before it is back. */
async function occupy(port: number): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    const server = createServer((socket) => socket.destroy());
    const isOurs = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (isOurs) return server;
    if (attempt > 5_000) throw new Error(`PostgreSQL was back on port ${port} before this test could take it`);
    await delay(1);
  }
}
