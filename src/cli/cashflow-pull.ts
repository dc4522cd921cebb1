import { Command, Option } from 'commander';
import { setTimeout as delay } from 'node:timers/promises';
import type { PullView } from '../cashflow/pull/pull-view.js';
import { type ApiClient, Problem, Unreachable } from './api-client.js';
import type { Application } from './application.js';
import { EXIT } from './exit-codes.js';
import { Progress } from './progress.js';
import { type Session, talkToServer } from './run-command.js';
import { renderTable } from './tables.js';
import { printable, type Terminal } from './terminal.js';

interface PullOptions {
  baseUrl: string;
  dialect: string;
  rates: string;
  every?: string;
}

/** A pull as JSON: its instants are text. */
export type Pull = Omit<PullView, 'nextAt'> & { nextAt: string | null };

/** Statuses in which a pull goes on by itself. */
const MOVING: readonly string[] = ['queued', 'fetching', 'applying'];

/** A server that is restarted is back by then; the pull goes on meanwhile. */
const LOST_SERVER_LIMIT_MS = 30_000;
const LOST_SERVER_POLL_MS = 500;

const WAIT = { Prefer: 'wait=1' };

/** Gaps that are printed one by one. */
const MAX_GAPS = 20;

/** `cashflow pull`: has the server pull the transactions of a bank, and follows it to its end. */
export function cashflowPullCommand(app: Application): Command {
  const command = new Command('pull')
    .description('pull companies, rates and transactions from an external system, and follow that to its end')
    .requiredOption('--base-url <url>', 'where the external system answers')
    .addOption(
      new Option('--dialect <dialect>', 'what its answers look like')
        .choices(['auto', 'own', 'glued', 'paged'])
        .default('auto'),
    )
    .addOption(
      new Option('--rates <meaning>', 'what its rates say').choices(['auto', 'worth', 'perEuro']).default('auto'),
    )
    .option('--every <duration>', 'pull again so often, such as PT1H; the first pull is followed');
  return talkToServer<PullOptions>(app, command, pull);
}

async function pull({ api, terminal, options }: Session<PullOptions>): Promise<number> {
  const { baseUrl, dialect, rates, every } = options;
  const begun = await api.postJson<Pull>('/cashflow/pulls', { baseUrl, dialect, rates, ...(every ? { every } : {}) });
  if (!options.json) terminal.line(`Pulling from ${printable(begun.baseUrl)}: pull ${begun.id}`);
  const done = await followPull(api, terminal, begun, options.json);
  if (options.json) terminal.json(done);
  else report(terminal, done);
  if (done.status !== 'completed') return EXIT.failed;
  return done.counts.rejected > 0 || done.gaps.length > 0 ? EXIT.someRejected : EXIT.ok;
}

/** Shows how far a pull is until it rests. @throws Problem, Unreachable */
export async function followPull(api: ApiClient, terminal: Terminal, begun: Pull, isSilent?: boolean): Promise<Pull> {
  const progress = new Progress(terminal, isSilent);
  try {
    return await follow(api, begun, (seen) =>
      progress.show(phaseOf(seen), seen.progress.percent, remarkOf(terminal, seen)),
    );
  } finally {
    progress.stop();
  }
}

/** Follows a pull until it rests. A server that goes away has half a minute to come back. @throws Problem, Unreachable */
async function follow(api: ApiClient, begun: Pull, onSight: (pull: Pull) => void): Promise<Pull> {
  let lostAt: number | null = null;
  for (let seen = begun; ;) {
    if (!MOVING.includes(seen.status)) return seen;
    onSight(seen);
    try {
      seen = await api.get<Pull>(begun.links.self, WAIT);
      lostAt = null;
    } catch (error) {
      const mayPass = error instanceof Unreachable || (error instanceof Problem && error.document.status === 503);
      lostAt ??= Date.now();
      if (!mayPass || Date.now() > lostAt + LOST_SERVER_LIMIT_MS) throw error;
      await delay(LOST_SERVER_POLL_MS);
    }
  }
}

function phaseOf({ status, waiting, progress }: Pull): string {
  if (waiting) return 'Waiting for the source';
  return status === 'applying'
    ? 'Applying'
    : progress.phase === null
      ? 'Waiting for its turn'
      : `Reading ${progress.phase}`;
}

function remarkOf(terminal: Terminal, { progress }: Pull): string {
  return `${terminal.number(progress.processed)} records`;
}

function report(terminal: Terminal, done: Pull): void {
  const mark = done.status === 'completed' ? terminal.style('green', '✓') : terminal.style('red', '✗');
  terminal.line(`${mark} pull ${done.status} ${terminal.style('dim', `(${done.dialect})  ${done.id}`)}`);
  if (done.error) terminal.line(`  ${printable(done.error.detail)} (${done.error.code})`);
  const columns = ['', 'answers', 'records', 'jobs'].map((heading) => ({ heading, isNumeric: heading !== '' }));
  const rows = Object.entries(done.resources).map(([name, { records, answers, jobs }]) => [
    name,
    answers,
    records,
    jobs.length,
  ]);
  terminal.line(`\n${renderTable(terminal, columns, rows)}\n`);
  for (const { detail, currency, resource } of done.warnings) {
    const about = [resource, currency].filter((part) => typeof part === 'string').join(' ');
    terminal.line(`  ! ${printable(`${about ? `${about}: ` : ''}${detail}`)}`);
  }
  if (done.counts.rejected > 0) terminal.line(`  ! ${terminal.number(done.counts.rejected)} records were rejected`);
  for (const { resource, from, to } of done.gaps.slice(0, MAX_GAPS))
    terminal.line(`  ! gap in ${resource}: ${from} to ${to}`);
  if (done.gaps.length > MAX_GAPS) terminal.line(`  ! and ${done.gaps.length - MAX_GAPS} more gaps`);
  if (done.nextAt !== null) terminal.line(`  next at ${done.nextAt}`);
}
