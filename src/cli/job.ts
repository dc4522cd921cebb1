import { Command, InvalidArgumentError } from 'commander';
import type { Application } from './application.js';
import { EXIT } from './exit-codes.js';
import { exitCodeOf, reportJob } from './job-report.js';
import { getJob, type Job, watchJob } from './jobs-api.js';
import { Progress } from './progress.js';
import { type Session, talkToServer } from './run-command.js';
import { formatBytes } from './terminal.js';

interface JobOptions {
  wait?: number;
}

/** `job ID`: shows one job. With `--wait`, the exit code says how it ended, like that of `load`. */
export function jobCommand(app: Application): Command {
  const command = new Command('job')
    .description('show a job')
    .argument('<id>', 'its id, as load and jobs print it')
    .option('--wait <seconds>', 'wait so long for its end; the exit codes are those of load', secondsOf);
  return talkToServer<JobOptions>(app, command, showJob);
}

async function showJob(session: Session<JobOptions>, id = ''): Promise<number> {
  const { api, terminal, options } = session;
  const job = options.wait === undefined ? await getJob(api, id) : await waitForJob(session, id, options.wait);
  if (options.json) terminal.json(job);
  else {
    await reportJob({ api, terminal, ...options }, job);
    const { snapshot, revertOf, source, submittedAt, startedAt, finishedAt } = job;
    terminal.line(
      [
        '',
        `  source     ${source}`,
        snapshot
          ? `  snapshot   ${formatBytes(snapshot.bytes)}, ${snapshot.contentType}, sha256 ${snapshot.sha256}`
          : `  reverts    ${revertOf ?? ''}`,
        `  submitted  ${submittedAt}`,
        `  started    ${startedAt ?? '–'}`,
        `  finished   ${finishedAt ?? '–'}`,
      ].join('\n'),
    );
  }
  return options.wait === undefined ? EXIT.ok : exitCodeOf(job);
}

async function waitForJob({ api, terminal, options }: Session<JobOptions>, id: string, wait: number): Promise<Job> {
  const progress = new Progress(terminal, options.json);
  const onSight = (job: Job) => progress.sighted(job);
  try {
    return await watchJob(api, id, { onSight, isClose: terminal.isInteractive, timeoutMs: wait * 1000 });
  } finally {
    progress.stop();
  }
}

function secondsOf(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number of seconds.');
}
