import { Command, InvalidArgumentError, Option } from 'commander';
import { loadConfig } from '../settings/config.js';
import { JOB_STATUSES } from '../sync/model/job-options.js';
import type { Application } from './application.js';
import { EXIT } from './exit-codes.js';
import { styledStatus, suggest } from './job-report.js';
import type { Job } from './jobs-api.js';
import { findResource } from './model-name.js';
import { type Session, talkToServer } from './run-command.js';
import { type Cell, renderTable } from './tables.js';
import { formatBytes } from './terminal.js';

interface JobsOptions {
  resource?: string;
  status?: string;
  limit: number;
}

const COLUMNS = [
  { heading: 'job' },
  { heading: 'resource' },
  { heading: 'status' },
  { heading: 'submitted' },
  { heading: 'size', isNumeric: true },
  ...['received', 'created', 'updated', 'deleted', 'rejected'].map((heading) => ({ heading, isNumeric: true })),
];

/** `jobs`: lists jobs. */
export function jobsCommand(app: Application): Command {
  const command = new Command('jobs')
    .description('list jobs, newest first')
    .option('--resource <name>', 'only those of patients, payments, …')
    .addOption(new Option('--status <status>', 'only those in this status').choices([...JOB_STATUSES]))
    .option('--limit <count>', 'how many, at most 1000', limitOf, 20);
  return talkToServer<JobsOptions>(app, command, (session) => listJobs(app, session));
}

async function listJobs(app: Application, session: Session<JobsOptions>): Promise<number> {
  const { api, terminal, options } = session;
  const { status, limit } = options;
  const query = new URLSearchParams({ limit: String(limit) });
  if (status !== undefined) query.set('status', status);
  if (options.resource !== undefined)
    query.set('resource', findResource(options.resource, await app.resourceNames(loadConfig())));
  const { items, nextCursor } = await api.get<{ items: Job[]; nextCursor: string | null }>(
    `/sync/jobs?${query.toString()}`,
  );
  if (options.json) terminal.json(items);
  else if (items.length === 0) terminal.line('There are no such jobs.');
  else {
    const rows = items.map((job) => rowOf(job, styledStatus(terminal, job.status)));
    terminal.line(renderTable(terminal, COLUMNS, rows));
    if (nextCursor !== null) {
      terminal.line(`\n  There are more: ${suggest({ api, terminal, ...options }, 'jobs --limit 1000')}`);
    }
  }
  return EXIT.ok;
}

function rowOf(job: Job, status: string): Cell[] {
  const { received, created, updated, deleted, rejected } = job.counts;
  const submitted = job.submittedAt.replace('T', ' ').slice(0, 19);
  const size = job.snapshot ? formatBytes(job.snapshot.bytes) : 'revert';
  const state = { styled: job.dryRun ? `${status} (dry run)` : status };
  return [job.id, job.resource, state, submitted, size, received, created, updated, deleted, rejected];
}

function limitOf(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text) && Number(text) <= 1000) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1 to 1000.');
}
