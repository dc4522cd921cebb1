import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres/embedded-postgres.js';
import { ServerProcess } from '../test/setup/server-process.js';

/** Uploads that say a byte and then nothing, of so many sources that none has more than it may. */
const IDLE_UPLOADS = 200;
const SOURCES = 25;

/** Who reads how often meanwhile. */
const CALLERS = 4;
const CALLS = 2_000;

const folder = mkdtempSync(join(tmpdir(), 'counterpart-idle-'));
const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'data') });
const server = await ServerProcess.start({ DATABASE_URL: postgres.url, PORT: '0', LOG_LEVEL: 'warn' });
try {
  await fillMirror();
  await read();
  console.log(`without idle uploads: ${await read()}`);
  const uploads = await Promise.all(Array.from({ length: IDLE_UPLOADS }, (_, n) => idleUpload(`idle-${n % SOURCES}`)));
  console.log(`with ${IDLE_UPLOADS} of them:     ${await read()}`);
  const open = uploads.filter((socket) => !socket.destroyed).length;
  console.log(`${open} of them are still open; peak memory ${Math.round(server.peakMemory() / 1024 ** 2)} MiB`);
  for (const socket of uploads) socket.destroy();
  console.log(`when they are gone:   ${await read()}`);
} finally {
  await server.stop();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function fillMirror(): Promise<void> {
  const patients = Array.from({ length: 1_000 }, (_, n) => ({
    externalId: `${n}`,
    firstName: 'Ilka',
    lastName: 'Morrow',
  }));
  const headers = { 'Content-Type': 'application/json', Prefer: 'wait=30' };
  const response = await fetch(`${server.url}/patients`, { method: 'POST', headers, body: JSON.stringify(patients) });
  if (response.status !== 200) throw new Error(await response.text());
}

async function idleUpload(source: string) {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined).resume();
  await once(socket, 'connect');
  const headers = ['Host: here', 'Content-Type: application/json', 'Content-Length: 1000000', `X-Source: ${source}`];
  socket.write(`POST /patients HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n[`);
  return socket;
}

/** Latencies of pages of 50 patients, every one of which must be a 200. */
async function read(): Promise<string> {
  const latencies: number[] = [];
  const caller = async () => {
    while (latencies.length < CALLS) {
      const start = performance.now();
      const response = await fetch(`${server.url}/patients?sort=lastName`);
      await response.arrayBuffer();
      if (response.status !== 200) throw new Error(`a read was answered ${response.status}`);
      latencies.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) => `${(sorted[Math.floor(sorted.length * share)] ?? Number.NaN).toFixed(1)} ms`;
  return `p50 ${at(0.5)}, p95 ${at(0.95)}, p99 ${at(0.99)}, all of ${sorted.length} reads answered 200`;
}
