import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { rebuildTotals, verifyTotals } from '../src/claims/totals-check.js';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres/embedded-postgres.js';
import { ServerProcess } from '../test/setup/server-process.js';
import { ClaimBench, type Latencies, latenciesOf, readRepeatedly } from './claim-bench.js';

const SOURCE = 'bench';

/** Sequential calls for each ranking. */
const READS = 1_000;

/** Concurrent senders of claims, and the lines of each claim. */
const SENDERS = 16;
const LINES = 100;

/** Claims whose notifications are inserted at once. */
const BACKLOG = 20_000;

/** Prepared bodies that the senders use in turn: building them meanwhile would take CPU time from the server. */
const BODIES = 64;

const { values } = parseArgs({
  options: {
    claims: { type: 'string', default: '1000000' },
    seconds: { type: 'string', default: '20' },
    redis: { type: 'string' },
  },
});
const claims = Number(values.claims);
const seconds = Number(values.seconds);

const headers = { 'X-Source': SOURCE, 'Content-Type': 'application/json' };
const folder = mkdtempSync(join(tmpdir(), 'counterpart-claims-'));
const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'data') });
let server: ServerProcess | null = null;
let bench: ClaimBench | null = null;
try {
  server = await ServerProcess.start({
    DATABASE_URL: postgres.url,
    REDIS_URL: values.redis,
    PORT: '0',
    LOG_LEVEL: 'warn',
    RATE_LIMIT_PER_MINUTE: '0',
    TOP_PROVIDERS_PER_MINUTE: '1000000',
  });
  bench = await ClaimBench.connect(postgres.url);
  const seeding = performance.now();
  await bench.seed(SOURCE, claims);
  const rebuilding = performance.now();
  const { providers } = await rebuildTotals(postgres.url, SOURCE);
  const rebuilt = performance.now();
  await bench.vacuum();
  console.log(`${claims} claims of ${providers} providers, seeded in ${since(seeding, rebuilding)}`);
  const top = await rankings(server.url);
  const [taken, lines] = await ingest(server.url);
  const settled = await bench.timeBacklog(SOURCE, BACKLOG);
  const copied = await bench.timeCopy(lines);
  const verifying = performance.now();
  const verdict = await verifyTotals(postgres.url, null);
  if (verdict.different > 0) throw new Error(`${verdict.different} totals are wrong`);
  const rate = (taken.count * LINES) / seconds;
  printTable([
    ['what', 'figure', 'target'],
    ['`GET /providers/top?limit=10`', formatted(top.ten), 'p95 < 10 ms'],
    ['`GET /providers/top?limit=1000`', formatted(top.thousand), ''],
    [
      `claims of ${LINES} lines, ${SENDERS} at once`,
      `${Math.round(rate)} lines/s, ${formatted(taken)}`,
      '≥ 2,000 lines/s',
    ],
    [
      `payments settled, queue in ${values.redis ? 'Redis' : 'PostgreSQL'}`,
      `${Math.round(BACKLOG / settled)} claims/s`,
      '',
    ],
    ['the same lines by COPY', `${Math.round(lines.length / copied)} lines/s`, ''],
    ['HTTP against COPY', `${(rate / (lines.length / copied)).toFixed(3)} ×`, ''],
    ['`claims rebuild` of all totals', since(rebuilding, rebuilt), ''],
    ['`claims verify` at the end: no difference', since(verifying), ''],
    ['peak memory of the server', `${Math.round(server.peakMemory() / 1024 ** 2)} MiB`, ''],
  ]);
} finally {
  await bench?.close();
  await server?.stop();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function rankings(url: string): Promise<{ ten: Latencies; thousand: Latencies }> {
  const read = (limit: number, times: number) => readRepeatedly(`${url}/providers/top?limit=${limit}`, times, headers);
  await read(10, 50);
  return { ten: await read(10, READS), thousand: await read(1000, READS / 4) };
}

/** Sends claims for some seconds. @returns their response times, and the lines of up to a thousand of them, for COPY */
async function ingest(url: string): Promise<[Latencies, string[][]]> {
  const bodies = Array.from({ length: BODIES }, (_, body) => JSON.stringify(someLines(body)));
  const taken: number[] = [];
  const end = performance.now() + seconds * 1000;
  let sent = 0;
  const sender = async () => {
    while (performance.now() < end) {
      const body = bodies[(sent += 1) % BODIES] ?? '';
      const start = performance.now();
      const response = await fetch(`${url}/claims`, { method: 'POST', headers, body });
      const text = await response.text();
      if (response.status !== 200) throw new Error(`a claim was answered ${response.status}: ${text}`);
      taken.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, sender));
  const copies = Array.from({ length: Math.min(taken.length, 1000) }, (_, claim) => someLines(claim % BODIES));
  return [latenciesOf(taken), copies.flatMap((claim) => claim.map((line, place) => [String(place), ...cells(line)]))];
}

type Line = Record<string, string>;

/** The lines of a claim belong to ten providers, most of which it shares with other claims. */
function someLines(claim: number): Line[] {
  return Array.from({ length: LINES }, (_, line) => ({
    service_date: `${1 + (line % 12)}/${1 + (claim % 28)}/26 9:30`,
    submitted_procedure: `D${2000 + line}`,
    quadrant: 'UR',
    plan_group_number: `GRP-${claim}`,
    subscriber_number: String(4_400_990_000 + line),
    provider_npi: String(1_000_000_000 + ((claim * 7 + (line % 10)) % 200)),
    provider_fees: `$${100 + line}.25`,
    allowed_fees: `$${60 + line}.00`,
    member_coinsurance: '$10.00',
    member_copay: '$5.00',
  }));
}

function cells(line: Line): string[] {
  return Object.values(line).map((value) => value.replace('$', ''));
}

function formatted({ p50, p95 }: Latencies): string {
  return `p50 ${p50.toFixed(1)} ms, p95 **${p95.toFixed(1)} ms**`;
}

function since(start: number, end = performance.now()): string {
  return `${((end - start) / 1000).toFixed(1)} s`;
}

function printTable([head = [], ...rows]: string[][]): void {
  const row = (line: string[]) => `| ${line.join(' | ')} |`;
  console.log([row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n'));
}
