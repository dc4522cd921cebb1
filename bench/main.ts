import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres/embedded-postgres.js';
import { ServerProcess } from '../test/setup/server-process.js';
import { writePatients, writePayments } from './data.js';
import { BenchDatabase } from './database.js';
import { report, type Figures } from './report.js';
import { Sender } from './sender.js';

/** Who asks how often when the query is measured. */
const CALLERS = 4;
const CALLS = 2_000;

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '1000000' }, rounds: { type: 'string', default: '3' } },
});
const rows = Number(values.rows);
const rounds = Number(values.rounds);
const patients = Math.max(10, Math.round(rows / 10));

const folder = mkdtempSync(join(tmpdir(), 'counterpart-bench-'));
const file = (name: string) => join(folder, name);
const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'data') });
let server: ServerProcess | null = null;
let database: BenchDatabase | null = null;

try {
  // A minute's 6000 requests would be used up in seconds.
  const settings = { DATABASE_URL: postgres.url, PORT: '0', LOG_LEVEL: 'warn', RATE_LIMIT_PER_MINUTE: '0' };
  server = await ServerProcess.start(settings);
  const sender = new Sender(server.url);
  database = await BenchDatabase.connect(postgres.url);
  console.log(`${rows} payments of ${patients} patients, ${rounds} rounds`);
  await writeFiles();
  await sender.load('/patients', file('patients.json'));
  const figures = await measure(sender, database, server);
  report(figures, { rows, patients, rounds, bytes: statSync(file('base.json')).size });
} finally {
  await database?.close();
  await server?.stop();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function writeFiles(): Promise<void> {
  await writePatients(file('patients.json'), patients);
  await writePayments(file('base.json'), { rows, patients });
  await writePayments(file('reversed.json'), { rows, patients, reversed: true });
  // 1 % changed, 0.5 % gone, 0.5 % new.
  await writePayments(file('delta.json'), { rows, patients, changeEvery: 100, dropEvery: 200, addEvery: 200 });
}

async function measure(api: Sender, db: BenchDatabase, process: ServerProcess): Promise<Figures> {
  const figures: Figures = {
    raw: [],
    first: [],
    ack: [],
    other: [],
    same: [],
    delta: [],
    staging: [],
    wal: [],
    memory: 0,
    query: null,
  };
  // Once unmeasured: the machine is warm then, and the raw file can be made from what was stored.
  await api.load('/payments', file('base.json'));
  await db.exportRaw(file('raw.copy'));
  for (let round = 0; round < rounds; round += 1) {
    figures.raw.push(await db.rawCopy(file('raw.copy')));
    await db.forgetPayments();
    const first = await api.load('/payments', file('base.json'));
    figures.first.push(first.total);
    figures.ack.push(first.ack);
    await db.settle();
    figures.other.push(await otherOrder(api, db, figures));
    await db.settle();
    await api.load('/payments', file('base.json'));
    await db.settle();
    figures.same.push((await api.load('/payments', file('base.json'))).total);
    await db.settle();
    figures.delta.push((await api.load('/payments', file('delta.json'))).total);
    console.log(`round ${round + 1}: ${lastOf(figures)}`);
  }
  await api.load('/payments', file('base.json'));
  figures.memory = process.peakMemory();
  figures.query = await askByTotal(process.url);
  return figures;
}

async function otherOrder(api: Sender, db: BenchDatabase, figures: Figures): Promise<number> {
  let before = 0n;
  const load = await api.load('/payments', file('reversed.json'), async (jobId) => {
    before = await db.wal();
    figures.staging.push(rows / (await db.watchStaging(jobId)));
  });
  figures.wal.push(Number((await db.wal()) - before));
  return load.total;
}

/** Latencies of pages of patients by total, over HTTP, with a few callers at once: milliseconds. */
async function askByTotal(url: string): Promise<Figures['query']> {
  const latencies: number[] = [];
  const caller = async () => {
    while (latencies.length < CALLS) {
      const min = Math.floor(Math.random() * 5_000);
      const start = performance.now();
      const response = await fetch(`${url}/patients?payment_min=${min}&payment_max=${min + 500}&sort=-paymentsTotal`);
      const { items } = (await response.json()) as { items: unknown[] };
      latencies.push(performance.now() - start);
      if (items.length === 0 && rows >= 100_000) throw new Error('a page without patients measures nothing');
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

function lastOf({ raw, first, other, same, delta }: Figures): string {
  return Object.entries({ raw, first, other, same, delta })
    .map(([name, seconds]) => `${name} ${seconds.at(-1)?.toFixed(2)} s`)
    .join(', ');
}
