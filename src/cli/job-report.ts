import type { ApiClient } from './api-client.js';
import { EXIT } from './exit-codes.js';
import { isMoving, type Job } from './jobs-api.js';
import { type ErrorKind, printErrors } from './rejected-records.js';
import { renderTable } from './tables.js';
import { printable, type Terminal } from './terminal.js';

/** Up to this many rejected records are all shown; of more, the first ones as examples, and a command for the rest. */
const ALL_REJECTED_LIMIT = 1_000;
const FIRST_REJECTED = 100;

/** Of records that only wait, a few are shown as examples. */
const FIRST_UNRESOLVED = 20;

/** What a report needs besides the job. */
export interface ReportContext {
  api: ApiClient;
  terminal: Terminal;
  /** Print every rejected and unresolved record, however many. */
  allErrors?: boolean;
  /** The connection options to repeat in the commands that are suggested. */
  source?: string;
  url?: string;
}

const PLAN_HEADINGS = ['create', 'update', 'delete', 'unchanged', 'live now'];

const STATUS_STYLES: Record<string, Parameters<Terminal['style']>[0]> = {
  completed: 'green',
  awaiting_approval: 'yellow',
  failed: 'red',
  cancelled: 'red',
  rejected: 'red',
  superseded: 'red',
};

export function styledStatus(terminal: Terminal, status: string): string {
  return terminal.style(STATUS_STYLES[status] ?? 'cyan', status);
}

/** The exit code for a job that has ended or is held. Unresolved records count as mirrored. */
export function exitCodeOf(job: Job): number {
  if (job.status !== 'completed') return EXIT.failed;
  return job.counts.rejected > 0 ? EXIT.someRejected : EXIT.ok;
}

/** Reports a job: its counts, each rejected record, and the commands to decide on it if it is held. */
export async function reportJob(context: ReportContext, job: Job): Promise<void> {
  const { terminal } = context;
  terminal.line(headline(terminal, job));
  if (job.error) terminal.line(`  ${printable(describeFault(job.error))}`);
  const hasCounts = job.counts.received > 0 || job.status === 'completed';
  if (hasCounts) terminal.line(`\n${countsTable(terminal, job)}`);
  for (const warning of job.warnings) terminal.line(`  ${terminal.style('yellow', '!')} ${printable(warning.detail)}`);
  if (job.dryRun || job.status === 'awaiting_approval') printPlan(terminal, job);
  await printKind(context, job, 'rejected');
  await printKind(context, job, 'unresolved');
  if (job.status === 'awaiting_approval') terminal.line(howToDecide(context, job));
}

/** `✓ patients completed (0.08 s)  job 019…` */
export function headline(terminal: Terminal, job: Job): string {
  const { resource, status, id } = job;
  return `${markOf(terminal, job)} ${resource} ${styledStatus(terminal, status)} ${terminal.style('dim', `${remarks(job)}job ${id}`)}`;
}

function markOf(terminal: Terminal, job: Job): string {
  if (job.status === 'completed') return terminal.style('green', '✓');
  if (job.status === 'failed') return terminal.style('red', '✗');
  return isMoving(job) ? terminal.style('cyan', '…') : terminal.style('yellow', '!');
}

function remarks({ dryRun, mode, submittedAt, finishedAt }: Job): string {
  const seconds = finishedAt === null ? null : (Date.parse(finishedAt) - Date.parse(submittedAt)) / 1000;
  const all = [dryRun ? 'dry run' : '', mode === 'full' ? '' : mode, seconds === null ? '' : `${seconds.toFixed(2)} s`];
  const said = all.filter(Boolean).join(', ');
  return said ? `(${said})  ` : '';
}

export function countsTable(terminal: Terminal, { counts }: Job): string {
  const columns = Object.keys(counts).map((heading) => ({ heading, isNumeric: true }));
  return renderTable(terminal, columns, [Object.values(counts)]);
}

/** `5 received, 3 created, 2 rejected`: the counts that are not zero. */
export function countsLine(terminal: Terminal, { counts }: Job): string {
  const { received, ...others } = counts;
  const parts = Object.entries(others).filter(([, count]) => count > 0);
  return [['received', received] as const, ...parts]
    .map(([name, count]) => `${terminal.number(count)} ${name}`)
    .join(', ');
}

function describeFault({ code, detail, line, byteOffset, record }: NonNullable<Job['error']>): string {
  const places = [
    line === null || line === undefined ? '' : `line ${line}`,
    record === null || record === undefined ? '' : `record ${record}`,
    byteOffset === null || byteOffset === undefined ? '' : `byte ${byteOffset}`,
  ].filter(Boolean);
  return `${detail} (${[code, ...places].join(', ')}) Nothing was changed.`;
}

/** Prints what would happen to the rows: for a snapshot that is held, or that was sent as a dry run. */
export function printPlan(terminal: Terminal, { plan, dryRun }: Job): void {
  if (!plan) return;
  const { create, update, delete: deleted, unchanged, live, sample } = plan;
  const verdict = dryRun ? 'Nothing was written; it would be held' : 'Held: nothing was changed';
  if (plan.held) terminal.line(`\n  ${terminal.style('yellow', `${verdict}.`)} ${printable(plan.reason ?? '')}`);
  else terminal.line('\n  Nothing was written; it would be applied at once.');
  if (plan.held) {
    const columns = PLAN_HEADINGS.map((heading) => ({ heading, isNumeric: true }));
    terminal.line(`\n${renderTable(terminal, columns, [[create, update, deleted, unchanged, live]])}\n`);
  }
  if (sample.length > 0) {
    const more = deleted > sample.length ? `, and ${terminal.number(deleted - sample.length)} more` : '';
    terminal.line(`  It would delete ${sample.map((id) => printable(id)).join(', ')}${more}.`);
  }
}

async function printKind(context: ReportContext, job: Job, kind: ErrorKind): Promise<void> {
  const { terminal, allErrors } = context;
  const total = job.counts[kind];
  if (total === 0) return;
  const said = { rejected: 'Rejected', unresolved: 'Unresolved: stored, and shown once what they belong to arrives' };
  terminal.line(`\n  ${said[kind]}`);
  const first = kind === 'unresolved' ? FIRST_UNRESOLVED : total > ALL_REJECTED_LIMIT ? FIRST_REJECTED : total;
  const printed = await printErrors(context, job.id, kind, allErrors ? Infinity : first);
  if (printed >= total || allErrors) return;
  const rest = `… and ${terminal.number(total - printed)} more ${kind}`;
  terminal.line(`  ${rest}: ${suggest(context, `errors ${job.id} --format ndjson`)}`);
}

function howToDecide(context: ReportContext, { id }: Job): string {
  return `\n  Apply it   ${suggest(context, `approve ${id}`)}\n  Drop it    ${suggest(context, `reject ${id}`)}`;
}

/** A command to copy, with the connection options of this one except the key. */
export function suggest({ terminal, source, url }: ReportContext, command: string): string {
  const connection = `${url === undefined ? '' : ` --url ${url}`}${source === undefined ? '' : ` --source ${source}`}`;
  return terminal.style('bold', `npm run cli -- ${command}${connection}`);
}
