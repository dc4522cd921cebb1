import { Command, Option } from 'commander';
import type { Application } from './application.js';
import { EXIT } from './exit-codes.js';
import { exitCodeOf, headline, reportJob } from './job-report.js';
import { type Job, jobPath, watchJob } from './jobs-api.js';
import { Progress } from './progress.js';
import { type Session, talkToServer } from './run-command.js';

/** `approve ID`: applies the plan that was shown, and reports the result like `load`. */
export function approveCommand(app: Application): Command {
  const command = new Command('approve')
    .description('apply exactly the plan of a job that is held')
    .argument('<id>', 'the job');
  return talkToServer(app, command, approve);
}

/** `reject ID`: discards the plan that was shown. */
export function rejectCommand(app: Application): Command {
  const command = new Command('reject')
    .description('discard the plan of a job that is held')
    .argument('<id>', 'the job');
  return talkToServer<object>(app, command, (session, id) => end(session, id, 'reject'));
}

/** `cancel ID`: stops a job that has not begun to change the mirror. */
export function cancelCommand(app: Application): Command {
  const command = new Command('cancel').description('stop a job that has not been applied').argument('<id>', 'the job');
  return talkToServer<object>(app, command, (session, id) => end(session, id, 'cancel'));
}

interface RevertOptions {
  deletes?: string;
  dryRun?: boolean;
}

/** `revert ID`: undoes the changes of a job, and reports the result like `load`. */
export function revertCommand(app: Application): Command {
  const command = new Command('revert')
    .description('undo the changes of a job, by a new job')
    .argument('<id>', 'the job')
    .addOption(
      new Option('--deletes <how>', 'whether rows that it created may be deleted').choices(['auto', 'apply', 'hold']),
    )
    .option('--dry-run', 'do everything except writing');
  return talkToServer<RevertOptions>(app, command, revert);
}

async function approve(session: Session<object>, id = ''): Promise<number> {
  await session.api.post<Job>(jobPath(id, '/approve'));
  return follow(session, id);
}

async function revert(session: Session<RevertOptions>, id = ''): Promise<number> {
  const { deletes, dryRun } = session.options;
  const query = new URLSearchParams({ ...(deletes ? { deletes } : {}), ...(dryRun ? { dryRun: 'true' } : {}) });
  const job = await session.api.post<Job>(`${jobPath(id, '/revert')}?${query.toString()}`);
  return follow(session, job.id);
}

/** Watches a job until it has ended or waits for approval, and reports it. */
async function follow({ api, terminal, options }: Session<object>, id: string): Promise<number> {
  const progress = new Progress(terminal, options.json);
  let job: Job;
  try {
    const onSight = (seen: Job) => progress.sighted(seen);
    job = await watchJob(api, id, { onSight, isClose: terminal.isInteractive });
  } finally {
    progress.stop();
  }
  if (options.json) terminal.json(job);
  else await reportJob({ api, terminal, ...options }, job);
  return exitCodeOf(job);
}

async function end({ api, terminal, options }: Session<object>, id = '', action: string): Promise<number> {
  const job = await api.post<Job>(jobPath(id, `/${action}`));
  if (options.json) terminal.json(job);
  else terminal.line(`${headline(terminal, job)}\n  Nothing was changed.`);
  return EXIT.ok;
}
