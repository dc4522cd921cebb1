import type { Narrator } from './demo-narrator.js';
import { countsLine, headline } from './job-report.js';
import { type Job, submitSnapshot, type SubmitOptions, watchJob } from './jobs-api.js';
import { Progress } from './progress.js';
import { printErrors } from './rejected-records.js';
import { inMemory, readSample } from './samples.js';

/** Sends a sample as a snapshot, and shows the command, how the job ended, and the records that need attention. */
export async function sendSample(
  narrator: Narrator,
  resource: string,
  sample: string,
  options: SubmitOptions = {},
): Promise<void> {
  const { api, terminal } = narrator;
  const query = new URLSearchParams({ ...options } as Record<string, string>).toString();
  const path = query === '' ? `/${resource}` : `/${resource}?${query}`;
  narrator.curl(`-H 'Content-Type: application/json' --data-binary @samples/${sample}`, path);
  const file = inMemory(await readSample(sample));
  const job = await followJob(narrator, await submitSnapshot(api, resource, file, options));
  terminal.line(`    ${countsLine(terminal, job)}`);
  for (const kind of ['rejected', 'unresolved'] as const) {
    if (job.counts[kind] > 0) await printErrors({ api, terminal }, job.id, kind, Infinity);
  }
}

/** Shows the progress of a job and how it ended. */
export async function followJob({ api, terminal }: Narrator, accepted: Job): Promise<Job> {
  const progress = new Progress(terminal);
  const isClose = terminal.isInteractive;
  const job = await watchJob(api, accepted.id, { isClose, onSight: (seen) => progress.sighted(seen) });
  progress.stop();
  terminal.line(`  ${headline(terminal, job)}`);
  return job;
}
