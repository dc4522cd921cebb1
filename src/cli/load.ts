import { Command, Option } from 'commander';
import { loadConfig } from '../settings/config.js';
import { DELETE_POLICIES, MODES } from '../sync/model/job-options.js';
import type { Application } from './application.js';
import { type Job, submitSnapshot, type SubmitOptions, watchJob } from './jobs-api.js';
import { exitCodeOf, reportJob } from './job-report.js';
import { findResource } from './model-name.js';
import { Progress } from './progress.js';
import { streamErrors } from './rejected-records.js';
import { type Session, talkToServer } from './run-command.js';
import { openSnapshotFile } from './snapshot-file.js';
import { formatBytes } from './terminal.js';

interface LoadOptions extends SubmitOptions {
  modelName: string;
  inputFile: string;
  waitApproval: 'yes' | 'no';
  allErrors?: boolean;
}

/** `--json` prints at most this many records with errors; `errors` streams all. */
const JSON_ERRORS = 1_000;

/** `load`: sends a file as a snapshot. */
export function loadCommand(app: Application): Command {
  const command = new Command('load')
    .description('mirror a file: everything that a source holds of one model')
    .requiredOption('--model-name <name>', 'what the records are: patient, payment, …')
    .requiredOption('--input-file <file>', '.json, .ndjson, .jsonl or .csv, also with .gz, .br or .zst')
    .addOption(new Option('--mode <mode>', 'full: what is missing was deleted at the source').choices([...MODES]))
    .option('--from <value>', 'with --mode window: the least value of the window')
    .option('--to <value>', 'with --mode window: the first value beyond it')
    .addOption(new Option('--deletes <policy>', 'when deletions wait for approval').choices([...DELETE_POLICIES]))
    .option('--dry-run', 'do everything except writing')
    .addOption(
      new Option('--wait-approval <answer>', 'go on waiting while a held job waits for its approval')
        .choices(['yes', 'no'])
        .default('no'),
    )
    .option('--all-errors', 'print every record with an error, however many');
  return talkToServer<LoadOptions>(app, command, (session) => load(app, session));
}

async function load(app: Application, session: Session<LoadOptions>): Promise<number> {
  const { api, terminal, options } = session;
  const resource = findResource(options.modelName, await app.resourceNames(loadConfig()));
  const file = await openSnapshotFile(options.inputFile);
  const progress = new Progress(terminal, options.json);
  let job: Job;
  try {
    const accepted = await submitSnapshot(api, resource, file, options, (bytes) =>
      progress.uploaded(bytes, file.bytes),
    );
    progress.stop();
    if (!options.json)
      terminal.line(`Sent ${file.name} (${formatBytes(file.bytes)}) as ${resource}: job ${accepted.id}`);
    job = await watchJob(api, accepted.id, {
      onSight: (seen) => progress.sighted(seen),
      isClose: terminal.isInteractive,
      throughApproval: options.waitApproval === 'yes',
    });
  } finally {
    progress.stop();
  }
  if (options.json) await reportAsJson(session, job);
  else await reportJob({ api, terminal, ...options }, job);
  return exitCodeOf(job);
}

async function reportAsJson({ api, terminal, options }: Session<LoadOptions>, job: Job): Promise<void> {
  const total = job.counts.rejected + job.counts.unresolved;
  const errors = [];
  if (total > 0) {
    for await (const error of streamErrors(api, job.id)) {
      errors.push(error);
      if (errors.length >= JSON_ERRORS && !options.allErrors) break;
    }
  }
  terminal.json({ job, errors, errorsOmitted: Math.max(0, total - errors.length) });
}
