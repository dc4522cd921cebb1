import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres/embedded-postgres.js';
import { ServerProcess } from '../test/setup/server-process.js';
import { type EntriesPlan, ROWS_A_DAY, writeEntries } from './data-entries.js';
import { allPhases, type Measured } from './measured.js';
import { JobLog } from './job-log.js';
import { reportWindows } from './report-windows.js';
import { Sender } from './sender.js';

// A window of one day, whose rows are 5,000, beside as many live rows and beside millions.

/** PostgreSQL's own default, as in `main.ts`. */
const POSTGRES_DEFAULTS = { max_wal_size: '1GB' };

/** Days that one snapshot loads. */
const DAYS_A_LOAD = 30;

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '5000000' },
    rounds: { type: 'string', default: '11' },
    scattered: { type: 'boolean', default: false },
  },
});
const [rows, rounds] = [Number(values.rows), Number(values.rounds)];
const manyDays = Math.max(2, Math.round(rows / ROWS_A_DAY));

const folder = mkdtempSync(join(tmpdir(), 'counterpart-windows-'));
const dataDir = join(folder, 'data');
mkdirSync(dataDir);
try {
  const postgres = await startEmbeddedPostgres({ dataDir, settings: POSTGRES_DEFAULTS });
  try {
    await measure(postgres.url);
  } finally {
    await postgres.stop();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function measure(DATABASE_URL: string): Promise<void> {
  const log = new JobLog();
  const RESOURCES_DIR = resolve('bench/resources');
  const settings = { DATABASE_URL, RESOURCES_DIR, PORT: '0', REDIS_URL: undefined, LOG_LEVEL: undefined };
  const server = await ServerProcess.start(settings, { log });
  try {
    const loadSeconds = await loadAll(server.url);
    console.log(
      `loaded ${manyDays * ROWS_A_DAY} rows in windows of ${DAYS_A_LOAD} days in ${loadSeconds.toFixed(0)} s`,
    );
    const found: Record<'few' | 'many', Measured[]> = { few: [], many: [] };
    for (let round = 0; round < rounds; round += 1) {
      const order = round % 2 === 0 ? (['few', 'many'] as const) : (['many', 'few'] as const);
      for (const size of order) found[size].push(await measureOne(server.url, log, size, round));
    }
    const setting = { rows: manyDays * ROWS_A_DAY, isScattered: values.scattered, loadSeconds, loadAverage: loadavg() };
    reportWindows(found, { ...setting, peakMemoryBytes: server.peakMemory() });
  } finally {
    await server.stop();
  }
}

/** Of the large resource a day that was not touched since its load; the other one has only one. */
async function measureOne(url: string, log: JobLog, size: 'few' | 'many', round: number): Promise<Measured> {
  const from = size === 'few' ? 0 : Math.floor(((round + 0.5) * manyDays) / rounds);
  const load = await send(url, size, { from, days: 1, change: round + 1 });
  if (load.counts['updated'] !== ROWS_A_DAY / 2) throw new Error(`wrong: ${JSON.stringify(load.counts)}`);
  return { total: load.total, phases: allPhases(load, await log.phasesOf(load.jobId)) };
}

/** @returns the seconds that it took to load the rows beside which the window is measured */
async function loadAll(url: string): Promise<number> {
  await send(url, 'few', { from: 0, days: 1 });
  let seconds = 0;
  for (let from = 0; from < manyDays; from += DAYS_A_LOAD) {
    const { total } = await send(url, 'many', { from, days: Math.min(DAYS_A_LOAD, manyDays - from) });
    seconds += total;
  }
  return seconds;
}

async function send(url: string, size: 'few' | 'many', plan: Omit<EntriesPlan, 'total' | 'isScattered'>) {
  const file = join(folder, 'window.json');
  const total = (size === 'few' ? 1 : manyDays) * ROWS_A_DAY;
  const window = await writeEntries(file, { ...plan, total, isScattered: values.scattered });
  return new Sender(url).load(`/entries-beside-${size}?mode=window&from=${window.from}&to=${window.to}`, file);
}
