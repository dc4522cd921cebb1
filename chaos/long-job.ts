import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { writePatients, writePayments } from '../bench/data.js';
import { Sender } from '../bench/sender.js';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres/embedded-postgres.js';
import { ServerProcess } from '../test/setup/server-process.js';

// One long job whose worker is killed several times, and the latency of another source's small jobs meanwhile.

const POLL_MS = 20;

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '1000000' }, kills: { type: 'string', default: '0' } },
});
const [rows, kills] = [Number(values.rows), Number(values.kills)];
const patients = Math.max(10, Math.round(rows / 10));

const folder = mkdtempSync(join(tmpdir(), 'counterpart-long-job-'));
chmodSync(folder, 0o755);
const file = (name: string) => join(folder, name);
const postgres = await startEmbeddedPostgres({ dataDir: file('data') });
const database = new pg.Client(postgres.url);
await database.connect();
const settings = { DATABASE_URL: postgres.url, PORT: '0', LOG_LEVEL: 'error', RATE_LIMIT_PER_MINUTE: '0' };
const api = await ServerProcess.start({ ...settings, ROLE: 'api' });
let worker = await ServerProcess.start({ ...settings, ROLE: 'worker' });
const recoveries: number[] = [];
let peakBytes = 0;

try {
  await writePatients(file('patients.json'), patients);
  await writePayments(file('payments.json'), { rows, patients });
  const sender = new Sender(api.url);
  await sender.load('/patients', file('patients.json'));
  const over = new AbortController();
  const others = sendSmallJobs(over.signal);
  const { total, jobId } = await sender.load('/payments', file('payments.json'), killWorkers);
  over.abort();
  const latencies = (await others).toSorted((a, b) => a - b);
  peakBytes = Math.max(peakBytes, worker.peakMemory());
  await verify(jobId);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)]?.toFixed(2);
  console.log(
    `${rows} rows, ${kills} kills: right, after ${total.toFixed(1)} s; memory of a worker ${mib(peakBytes)} MiB`,
  );
  if (kills > 0) console.log(`taken up again after ${recoveries.map((seconds) => seconds.toFixed(1)).join(', ')} s`);
  console.log(
    `meanwhile ${latencies.length} small jobs of another source: p50 ${at(0.5)} s, p95 ${at(0.95)} s, max ${latencies.at(-1)?.toFixed(2)} s`,
  );
} finally {
  await Promise.all([api.stop(), worker.stop()]);
  await database.end();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** First in the middle of staging, then later and later in the reconciliation. */
async function killWorkers(jobId: string): Promise<void> {
  for (let kill = 0; kill < kills; kill += 1) {
    if (kill === 0) await until(jobId, `(status = 'staging' and percent >= 30) or status = 'completed'`);
    else await until(jobId, `status in ('reconciling', 'completed')`).then(() => delay(kill * 1_500));
    const before = await fence(jobId);
    peakBytes = Math.max(peakBytes, worker.peakMemory());
    await worker.kill();
    const killed = performance.now();
    worker = await ServerProcess.start({ ...settings, ROLE: 'worker' });
    await until(jobId, `fence > ${before}`);
    recoveries.push((performance.now() - killed) / 1000);
  }
}

/** One after the other, with 100 ms in between; jobs that a kill delays are in the figures too. */
async function sendSmallJobs(over: AbortSignal): Promise<number[]> {
  const latencies: number[] = [];
  for (let n = 0; !over.aborted; n += 1) {
    const start = performance.now();
    const response = await fetch(`${api.url}/patients?mode=partial`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Source': 'small', Prefer: 'wait=30' },
      body: JSON.stringify([{ externalId: '1', firstName: `${n}`, lastName: 'Deckard' }]),
    });
    const { status } = (await response.json()) as { status: string };
    if (status !== 'completed') throw new Error(`a small job is ${status} after 30 s`);
    latencies.push((performance.now() - start) / 1000);
    await delay(100);
  }
  return latencies;
}

async function verify(jobId: string): Promise<void> {
  const { rows: found } = await database.query(
    `select (select count(*) from payment where patient_id is not null and deleted_at is null)::int as payments,
            (select sum(payments_total) from patient_totals) = (select sum(amount) from payment) as "sums agree",
            (select count(*) from pg_tables where schemaname = 'staging')::int as "staging tables",
            status, (counts->>'created')::int as created, attempts from sync_job where id = $1`,
    [jobId],
  );
  const expected = {
    payments: rows,
    'sums agree': true,
    'staging tables': 0,
    status: 'completed',
    created: rows,
    attempts: kills + 1,
  };
  if (JSON.stringify(found[0]) !== JSON.stringify(expected)) throw new Error(`wrong: ${JSON.stringify(found[0])}`);
}

async function until(jobId: string, condition: string): Promise<void> {
  for (;;) {
    const { rows: found } = await database.query(`select 1 from sync_job where id = $1 and (${condition})`, [jobId]);
    if (found.length > 0) return;
    await delay(POLL_MS);
  }
}

async function fence(jobId: string): Promise<number> {
  const { rows: found } = await database.query('select fence from sync_job where id = $1', [jobId]);
  return found[0].fence;
}

function mib(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(0);
}
