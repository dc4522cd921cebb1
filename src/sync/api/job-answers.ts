import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { recordOutcome } from '../../audit/audited.js';
import { preferredWaitSeconds } from '../../http/prefer.js';
import { JobWatcher } from '../jobs/job-watcher.js';
import type { JobView } from '../jobs/job-view.js';
import { SyncJob } from '../model/sync-job.entity.js';
import { JOB_STATUSES, type JobStatus } from '../model/job-options.js';
import { SyncJobs } from '../jobs/sync-jobs.js';

/** Statuses that a job does not leave by itself: no use in waiting any longer. */
const AT_REST: readonly string[] = [...JOB_STATUSES.filter((status) => isFinal(status)), 'awaiting_approval'];

/** Answers about jobs, with the waiting that `Prefer: wait` asks for. */
@Injectable()
export class JobAnswers {
  constructor(
    private readonly jobs: SyncJobs,
    private readonly watcher: JobWatcher,
  ) {}

  /** The answer to a request that made a job: 202 with its location, or 200 if it is over by now. */
  async accepted(request: Request, response: Response, job: SyncJob, source: string): Promise<JobView> {
    const current = await this.afterWaiting(request, response, job);
    response.location(`/sync/jobs/${job.id}`);
    if (current.isOver() && preferredWaitSeconds(request.headers.prefer) > 0) response.status(200);
    else response.status(202).set('Retry-After', '1');
    return this.jobs.view(current, source);
  }

  /** The job as it is, or as it is once it rests, if the caller would rather wait. */
  async current(request: Request, response: Response, job: SyncJob, source: string): Promise<JobView> {
    const current = await this.afterWaiting(request, response, job);
    if (!AT_REST.includes(current.status)) response.set('Retry-After', '1');
    return this.jobs.view(current, source);
  }

  private async afterWaiting(request: Request, response: Response, job: SyncJob): Promise<SyncJob> {
    // The deed is done by now, and waiting may take long.
    await recordOutcome(response, { made: job.id });
    const seconds = preferredWaitSeconds(request.headers.prefer);
    if (seconds === 0) return job;
    response.set('Preference-Applied', `wait=${seconds}`);
    if (!AT_REST.includes(job.status)) {
      await this.watcher.waitFor(job.id, (status) => AT_REST.includes(status), seconds * 1000);
    }
    return this.jobs.get(job.sourceId, job.id);
  }
}

function isFinal(status: JobStatus): boolean {
  return Object.assign(new SyncJob(), { status }).isOver();
}
