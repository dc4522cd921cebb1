import type { Counts } from '../sync/model/job-outcome.js';
import type { SyncJob } from '../sync/model/sync-job.entity.js';
import type { JobStatus } from '../sync/model/job-options.js';

/** The events that an endpoint may subscribe to. */
export const JOB_EVENTS = ['job.completed', 'job.failed', 'job.awaiting_approval'] as const;
export type JobEvent = (typeof JOB_EVENTS)[number];

/** A `ping` is only sent on request. */
export type EventType = JobEvent | 'ping';

/** The event of a job that has moved to a status; other statuses have none. */
export const EVENT_OF_STATUS: Partial<Record<JobStatus, JobEvent>> = {
  completed: 'job.completed',
  failed: 'job.failed',
  awaiting_approval: 'job.awaiting_approval',
};

/** The body of a request to an endpoint: `type`, `timestamp` and `data`, as Standard Webhooks defines them. */
export interface EventBody {
  type: EventType;
  timestamp: string;
  data: JobEventData | PingData;
}

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

export function jobEventBody(type: JobEvent, job: SyncJob, source: string, at: Date): EventBody {
  const { id, resource, status, dryRun, counts } = job;
  const data = { jobId: id, source, resource, status, dryRun, counts, link: `/sync/jobs/${id}` };
  return { type, timestamp: at.toISOString(), data };
}

export function pingBody(webhookId: string, source: string, at: Date): EventBody {
  return { type: 'ping', timestamp: at.toISOString(), data: { webhookId, source } };
}
