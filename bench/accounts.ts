import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { verifyAccounts } from '../src/accounts/verify-accounts.js';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres/embedded-postgres.js';
import { ServerProcess } from '../test/setup/server-process.js';
import type { CallerOrder, CallerReport } from './account-callers.js';

/** How many callers post at once over HTTP, each on its own connection. pgbench has as many as the first. */
const CALLERS = [16, 64, 128];

const ACCOUNTS = 1_000;
const OVERDRAFT_CENTS = 1_000_000_000;

/** What the callers post. On the hot account two thirds are deposits and withdrawals, one third transfers to others. */
const LOADS: { name: string; hot: boolean; kinds: CallerOrder['kinds'] }[] = [
  { name: 'one hot account', hot: true, kinds: ['deposit', 'withdraw', 'transfer'] },
  { name: `transfers among ${ACCOUNTS}`, hot: false, kinds: ['transfer'] },
];

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '20' } } });
const seconds = Number(values.seconds);
const pgbench = findPgbench();
if (pgbench === null) {
  console.error('pgbench is neither on the PATH nor below /usr/lib/postgresql, so there is nothing to compare with.');
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), 'counterpart-accounts-'));
const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'data') });
let server: ServerProcess | undefined;
try {
  const pgbenchUrl = await createDatabase('pgbench');
  execFileSync(pgbench, ['-i', '-q', '-s', '10', pgbenchUrl], { stdio: 'pipe' });
  server = await ServerProcess.start({
    DATABASE_URL: postgres.url,
    PORT: '0',
    LOG_LEVEL: 'warn',
    RATE_LIMIT_PER_MINUTE: '0',
  });
  const { url } = server;
  const accounts = await openAccounts(url);
  const rows: unknown[][] = [];
  // In both orders, as the second program finds other caches and a fuller disk.
  for (const round of [1, 2]) {
    const first = round === 1 ? runPgbench(pgbench, pgbenchUrl) : null;
    const measured = await measure(url, accounts);
    const tps = first ?? runPgbench(pgbench, pgbenchUrl);
    rows.push([round, 'pgbench, TPC-B-like, scale 10', 16, tps.toFixed(0), '1', '', '', '']);
    for (const { name, callers, report } of measured) rows.push([round, name, callers, ...figures(report, tps)]);
  }
  print(rows);
  const verdict = await verifyAccounts(postgres.url);
  console.log(
    `\n${verdict.transfers} transfers, ${verdict.faults.length} faults; ${peakMemory()} MiB of memory at most.`,
  );
  if (verdict.faults.length > 0) process.exitCode = 1;
} finally {
  await server?.stop();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}

function peakMemory(): number {
  return Math.round((server?.peakMemory() ?? 0) / 1024 ** 2);
}

/** Each load with each number of callers. */
async function measure(url: string, accounts: string[]) {
  const measured: { name: string; callers: number; report: CallerReport }[] = [];
  const orders = LOADS.flatMap((load) => CALLERS.map((callers) => ({ ...load, callers })));
  for (const { name, callers, ...load } of orders) {
    measured.push({ name, callers, report: await call({ url, callers, seconds, accounts, ...load }) });
  }
  return measured;
}

function figures({ perSecond, p50, p95, statuses }: CallerReport, tps: number): string[] {
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  const answers = Object.entries(statuses).map(([status, count]) => `${status}: ${count}`);
  return [perSecond.toFixed(0), (perSecond / tps).toFixed(2), ms(p50), ms(p95), answers.join(' ')];
}

function print(rows: unknown[][]): void {
  const head = ['round', 'what', 'callers', 'per second', '× pgbench', 'p50', 'p95', 'answers'];
  for (const row of [head, head.map(() => '---'), ...rows]) console.log(`| ${row.join(' | ')} |`);
}

function findPgbench(): string | null {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql').toSorted().toReversed() : [];
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...versions.map((version) => `/usr/lib/postgresql/${version}/bin`),
  ];
  return folders.map((folder) => join(folder, 'pgbench')).find((file) => existsSync(file)) ?? null;
}

async function createDatabase(name: string): Promise<string> {
  const client = new pg.Client(postgres.url);
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  return Object.assign(new URL(postgres.url), { pathname: `/${name}` }).href;
}

/** Transactions per second, without the time to connect. */
function runPgbench(program: string, database: string): number {
  const options = ['-c', '16', '-j', '2', '-T', String(seconds), '-n', database];
  const output = execFileSync(program, options, { encoding: 'utf8', stdio: 'pipe' });
  return Number(/tps = ([\d.]+)/.exec(output)?.[1]);
}

async function openAccounts(url: string): Promise<string[]> {
  const body = JSON.stringify({ overdraftLimit: OVERDRAFT_CENTS });
  const headers = { 'Content-Type': 'application/json' };
  const open = async (): Promise<string> => {
    const response = await fetch(`${url}/api/accounts/create`, { method: 'POST', headers, body });
    return ((await response.json()) as { account_number: string }).account_number;
  };
  const numbers: string[] = [];
  while (numbers.length < ACCOUNTS) numbers.push(...(await Promise.all(Array.from({ length: 50 }, open))));
  return numbers;
}

/** Runs the callers in a process of their own, so that they do not take CPU time from this one. */
async function call(order: CallerOrder): Promise<CallerReport> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'account-callers.js')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify(order));
  const [output] = await Promise.all([child.stdout.setEncoding('utf8').toArray(), once(child, 'exit')]);
  return JSON.parse(output.join('')) as CallerReport;
}
