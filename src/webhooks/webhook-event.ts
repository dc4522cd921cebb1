import type { EventBody, JobEvent } from '../outbox/event-types.js';
import type { Counts } from '../sync/model/job-outcome.js';
import type { SyncJob } from '../sync/model/sync-job.entity.js';
import type { JobStatus } from '../sync/model/job-options.js';

/** The event of a job that has moved to a status; other statuses have none. */
export const EVENT_OF_STATUS: Partial<Record<JobStatus, JobEvent>> = {
  completed: 'job.completed',
  failed: 'job.failed',
  awaiting_approval: 'job.awaiting_approval',
};

/** Ids, statuses and counts only. Names, rejected values, samples and messages are only available from the API. */
export interface JobEventData {
  jobId: string;
  source: string;
  resource: string;
  status: JobStatus;
  /** A dry run has changed nothing, whatever its counts. */
  dryRun: boolean;
  counts: Counts;
  link: string;
}

export interface PingData {
  webhookId: string;
  source: string;
}

export function jobEventData(job: SyncJob, source: string): JobEventData {
  const { id, resource, status, dryRun, counts } = job;
  return { jobId: id, source, resource, status, dryRun, counts, link: `/sync/jobs/${id}` };
}

export function pingBody(webhookId: string, source: string, at: Date): EventBody {
  const data: PingData = { webhookId, source };
  return { type: 'ping', timestamp: at.toISOString(), data };
}
