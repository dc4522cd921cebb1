import { setTimeout as delay } from 'node:timers/promises';
import type { JobView } from '../sync/jobs/job-view.js';
import { type ApiClient, Problem, Unreachable } from './api-client.js';
import type { SnapshotFile } from './snapshot-file.js';

/** A job as JSON: its instants are text. */
export type Job = Omit<JobView, 'submittedAt' | 'startedAt' | 'finishedAt'> & {
  submittedAt: string;
  startedAt: string | null;
  finishedAt: string | null;
};

/** How a snapshot is to be applied. */
export interface SubmitOptions {
  mode?: string;
  from?: string;
  to?: string;
  deletes?: string;
  dryRun?: boolean;
}

/** How to wait for a job. */
export interface WatchOptions {
  /** Called with each state of the job until it has ended. */
  onSight?: (job: Job) => void;
  /** Whether to poll often, for a smooth progress bar, rather than about once a second. */
  isClose?: boolean;
  /** Whether to go on while the job waits for approval. */
  throughApproval?: boolean;
  timeoutMs?: number;
}

/** Statuses in which a job still goes on by itself. */
const MOVING: string[] = ['queued', 'staging', 'reconciling'];

/** A progress bar that moves eight times a second looks smooth. */
const CLOSE_MS = 125;
const APPROVAL_POLL_MS = 1_000;

/** A server that is restarted is back by then; the job goes on meanwhile. */
const LOST_SERVER_LIMIT_MS = 30_000;
const LOST_SERVER_POLL_MS = 500;

/** Sends a snapshot. @param onBytes called with the number of bytes sent so far */
export function submitSnapshot(
  api: ApiClient,
  resource: string,
  file: SnapshotFile,
  options: SubmitOptions,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<Job> {
  const query = new URLSearchParams({
    ...(options.mode === undefined ? {} : { mode: options.mode }),
    ...(options.from === undefined ? {} : { from: options.from }),
    ...(options.to === undefined ? {} : { to: options.to }),
    ...(options.deletes === undefined ? {} : { deletes: options.deletes }),
    ...(options.dryRun ? { dryRun: 'true' } : {}),
  });
  const path = query.size > 0 ? `/${resource}?${query.toString()}` : `/${resource}`;
  return api.upload<Job>(path, counted(file.read(), onBytes), file.headers);
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of pieces) {
    yield piece;
    bytes += piece.length;
    onBytes(bytes);
  }
}

export function getJob(api: ApiClient, id: string, waitSeconds = 0): Promise<Job> {
  const headers: Record<string, string> = waitSeconds > 0 ? { Prefer: `wait=${waitSeconds}` } : {};
  return api.get<Job>(jobPath(id), headers);
}

export function jobPath(id: string, action = ''): string {
  return `/sync/jobs/${encodeURIComponent(id)}${action}`;
}

export function isMoving(job: Job): boolean {
  return MOVING.includes(job.status);
}

/**
 * Follows a job until it has ended or is held, or the time is up. A server that goes away has half a minute to come back.
 * @throws Problem, Unreachable
 */
export async function watchJob(api: ApiClient, id: string, options: WatchOptions = {}): Promise<Job> {
  const { onSight = () => undefined, isClose = false, throughApproval = false } = options;
  const deadline = options.timeoutMs === undefined ? Infinity : Date.now() + options.timeoutMs;
  for (;;) {
    const job = await sight(api, id, isClose ? 0 : 1);
    const waitsForSomebody = job.status === 'awaiting_approval';
    const goesOn = isMoving(job) || (waitsForSomebody && throughApproval);
    if (!goesOn || Date.now() >= deadline) return job;
    onSight(job);
    if (waitsForSomebody) await delay(APPROVAL_POLL_MS);
    else if (isClose) await delay(CLOSE_MS);
  }
}

async function sight(api: ApiClient, id: string, waitSeconds: number): Promise<Job> {
  for (const limit = Date.now() + LOST_SERVER_LIMIT_MS; ; await delay(LOST_SERVER_POLL_MS)) {
    try {
      return await getJob(api, id, waitSeconds);
    } catch (error) {
      const mayPass = error instanceof Unreachable || (error instanceof Problem && error.document.status === 503);
      if (!mayPass || Date.now() > limit) throw error;
    }
  }
}
