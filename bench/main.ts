import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres/embedded-postgres.js';
import { findRunningPostgres } from '../src/database/embedded-postgres/running-server.js';
import { findStandIn } from '../src/database/embedded-postgres/server-home.js';
import { writePatients, writePayments, writeRaw } from './data.js';
import { createDatabase, dropDatabase } from './database.js';
import { report } from './report.js';
import { type Round, runRound } from './round.js';

/** What the launcher of the embedded PostgreSQL sets otherwise than PostgreSQL does; the rest concerns its log and its port. */
const POSTGRES_DEFAULTS = { max_wal_size: '1GB' };

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    embedded: { type: 'boolean', default: false },
    'database-url': { type: 'string' },
    'pages-after-each-step': { type: 'boolean', default: false },
  },
});
const rows = Number(values.rows);
const patients = Math.max(10, Math.round(rows / 10));
const external = values['database-url'];

const folder = mkdtempSync(join(tmpdir(), 'counterpart-bench-'));
try {
  const where = external
    ? 'an external PostgreSQL'
    : values.embedded
      ? 'the embedded default'
      : "PostgreSQL's defaults";
  console.log(`${rows} payments of ${patients} patients, ${values.rounds} rounds, on ${where}`);
  await writeFiles();
  const rounds: Round[] = [];
  for (let number = 1; number <= Number(values.rounds); number += 1) {
    // Whoever comes second finds other caches and a fuller disk.
    const round = await measure(number, number % 2 === 1);
    console.log(`round ${number}: ${summaryOf(round)}`);
    rounds.push(round);
  }
  report(rounds, { rows, patients, on: where, bytes: statSync(join(folder, 'base.json')).size });
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function writeFiles(): Promise<void> {
  const file = (name: string) => join(folder, name);
  await writePatients(file('patients.json'), patients);
  await writePayments(file('base.json'), { rows, patients });
  await writePayments(file('reversed.json'), { rows, patients, reversed: true });
  // 1 % changed, 0.5 % gone, 0.5 % new.
  await writePayments(file('delta.json'), { rows, patients, changeEvery: 100, dropEvery: 200, addEvery: 200 });
  await writeRaw({ patients: file('patients.copy'), payments: file('payments.copy') }, rows, patients);
}

async function measure(number: number, rawFirst: boolean): Promise<Round> {
  const plan = { folder, rawFirst, pagesAfterEachStep: values['pages-after-each-step'] };
  const dataDir = join(folder, `data-${number}`);
  if (external) return onServer(external, plan);
  mkdirSync(dataDir);
  try {
    if (values.embedded) {
      const environment = { DATA_DIR: dataDir, DATABASE_URL: undefined };
      return await runRound({ ...plan, environment, open: () => openEmbedded(dataDir) });
    }
    const postgres = await startEmbeddedPostgres({ dataDir, settings: POSTGRES_DEFAULTS });
    try {
      return await onServer(postgres.url, plan);
    } finally {
      await postgres.stop();
    }
  } finally {
    await removeData(dataDir);
  }
}

/** In two new databases of a server that runs already. */
async function onServer(
  url: string,
  plan: { folder: string; rawFirst: boolean; pagesAfterEachStep: boolean },
): Promise<Round> {
  const names = { product: 'counterpart_bench', raw: 'counterpart_bench_raw' };
  for (const name of Object.values(names)) await dropDatabase(url, name);
  const product = await createDatabase(url, names.product);
  const raw = await createDatabase(url, names.raw);
  try {
    return await runRound({ ...plan, environment: { DATABASE_URL: product }, open: async () => ({ product, raw }) });
  } finally {
    for (const name of Object.values(names)) await dropDatabase(url, name);
  }
}

/** In the PostgreSQL that the product has started for itself. */
async function openEmbedded(dataDir: string): Promise<{ product: string; raw: string }> {
  const product = await findRunningPostgres(dataDir);
  if (product === undefined) throw new Error('the product has started no PostgreSQL');
  return { product, raw: await createDatabase(product, 'counterpart_bench_raw') };
}

/** Also what lies elsewhere because the server's user may not enter the directory. */
async function removeData(dataDir: string): Promise<void> {
  for (const directory of [await findStandIn(dataDir), dataDir]) {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }
}

function summaryOf({ raw, steps, pages }: Round): string {
  const times = Object.entries(steps).map(([name, { total }]) => `${name} ${total.toFixed(2)} s`);
  return [`RAW ${raw.toFixed(2)} s`, ...times, `page p95 ${pages.p95.toFixed(1)} ms`].join(', ');
}
