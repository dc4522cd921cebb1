import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { Exposer } from '../src/cashflow/exposer/exposer.js';
import { randomFaults } from '../src/cashflow/exposer/faults.js';
import { FolderDestination } from '../src/cashflow/maker/folder-destination.js';
import { makeData } from '../src/cashflow/maker/make-data.js';
import { describeData } from '../src/cashflow/maker/manifest.js';
import { SIZES, type SizeName } from '../src/cashflow/maker/sizes.js';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres/embedded-postgres.js';
import { ServerProcess } from '../test/setup/server-process.js';
import { measureForecasts } from './cashflow-forecasts.js';
import { measureQuestions } from './cashflow-questions.js';
import { copyRaw } from './cashflow-raw.js';

// Made data that are pulled from an exposer, beside a plain COPY of the same rows, and then the questions. See bench/README.md.

/** PostgreSQL's own default, as in `main.ts`. */
const POSTGRES_DEFAULTS = { max_wal_size: '1GB' };

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: 'medium' },
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
    'fault-rate': { type: 'string', default: '0' },
    flat: { type: 'boolean', default: false },
    forecast: { type: 'boolean', default: false },
  },
});
const size = values.size as SizeName;
const seed = Number(values.seed);
const root = mkdtempSync(join(tmpdir(), 'counterpart-cashflow-'));
const data = join(root, 'made');
try {
  const seconds = await timed(make);
  console.log(`made ${size} of seed ${seed}${values.flat ? ', flat' : ''} in ${seconds.toFixed(1)} s`);
  const rounds = values.forecast ? 1 : Number(values.rounds);
  // oxlint-disable-next-line no-await-in-loop -- over rounds
  for (let round = 1; round <= rounds; round += 1) await measureRound(round);
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function make(): Promise<void> {
  const destination = await FolderDestination.prepare(data, 'ndjson', false);
  const job = { amounts: SIZES[size], seed, isFlat: values.flat };
  await destination.finish(describeData(size, job, destination, await makeData(job, destination)));
}

/** On a database of its own that nobody tends. */
async function measureRound(round: number): Promise<void> {
  const dataDir = join(root, `round-${round}`);
  mkdirSync(dataDir);
  const postgres = await startEmbeddedPostgres({ dataDir, settings: POSTGRES_DEFAULTS });
  try {
    const settings = { DATABASE_URL: postgres.url, PORT: '0', REDIS_URL: undefined, LOG_LEVEL: undefined };
    const server = await ServerProcess.start(settings);
    try {
      await measure(server, postgres.url, round);
    } finally {
      await server.stop();
    }
  } finally {
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function measure(server: ServerProcess, databaseUrl: string, round: number): Promise<void> {
  const rate = Number(values['fault-rate']);
  const first = await pull(server.url, rate);
  if (values.forecast) return measureForecasts(server.url, data, values.flat);
  const raw = await copyRaw(databaseUrl);
  const written = await rowsWritten(databaseUrl);
  const again = await pull(server.url, rate);
  const rewritten = (await rowsWritten(databaseUrl)) - written;
  console.log(
    `round ${round}: RAW ${raw.toFixed(1)} s, pull + mirror ${first.toFixed(1)} s (${(raw / first).toFixed(2)} × RAW), ` +
      `the same again ${again.toFixed(1)} s (${(first / again).toFixed(1)} × faster, ${rewritten} rows written), ` +
      `server at most ${Math.round((server.peakMemory() ?? 0) / 1024 ** 2)} MiB, load ${loadavg()[0]?.toFixed(1)}`,
  );
  await measureQuestions(server.url);
}

/** A source that begins anew, as its cursor is its own. @returns seconds until everything is mirrored */
async function pull(url: string, rate: number): Promise<number> {
  const nextFault = rate > 0 ? randomFaults(rate, seed) : () => null;
  const exposer = await Exposer.start({
    folder: data,
    dialect: 'own',
    host: '127.0.0.1',
    port: 0,
    nextFault,
    onFailure: (error) => console.error(error.message),
  });
  try {
    return await timed(() => finishPull(url, exposer.url));
  } finally {
    await exposer.close();
  }
}

async function finishPull(url: string, baseUrl: string): Promise<void> {
  const response = await fetch(`${url}/cashflow/pulls`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ baseUrl }),
  });
  let pulled = (await response.json()) as { id: string; status: string };
  if (response.status !== 202) throw new Error(JSON.stringify(pulled));
  while (!['completed', 'failed', 'cancelled', 'awaiting_approval'].includes(pulled.status)) {
    // oxlint-disable-next-line no-await-in-loop -- until it ends
    const answer = await fetch(`${url}/cashflow/pulls/${pulled.id}`, { headers: { Prefer: 'wait=30' } });
    // oxlint-disable-next-line no-await-in-loop -- until it ends
    pulled = (await answer.json()) as typeof pulled;
  }
  if (pulled.status !== 'completed') throw new Error(`not pulled: ${JSON.stringify(pulled)}`);
}

/** Rows of the mirror that were ever inserted, updated or deleted. */
async function rowsWritten(databaseUrl: string): Promise<number> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  try {
    const { rows } = await client.query<{ rows: string }>(
      `select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) as rows from pg_stat_user_tables
        where relname like 'mirrored\\_%' or relname like 'cashflow\\_month' or relname like 'cashflow\\_total'`,
    );
    return Number(rows[0]?.rows);
  } finally {
    await client.end();
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1_000;
}
