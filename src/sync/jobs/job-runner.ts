import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, Logger } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { isDiskFull, isOutage, isTooSlow, sqlState } from '../../database/outage.js';
import { safeError } from '../../logging/safe-error.js';
import { Refusal } from '../../http/refusal.js';
import { atStep } from '../../runtime/steps.js';
import { withinSource } from '../../database/source-isolation.js';
import { SnapshotFault } from '../bytes/snapshot-fault.js';
import { MirrorBusy } from '../reconcile/mirror-locks.js';
import { OutdatedDefinition } from '../leases/applied-definitions.js';
import { JobLeases } from '../leases/job-leases.js';
import type { JobError } from '../model/job-outcome.js';
import { measurePhases } from '../model/job-phases.js';
import { JobQueue } from '../model/job-queue.js';
import { JobWork } from './job-work.js';
import { type Lease, LeaseLost } from '../leases/lease.js';
import { RunningJobs } from './running-jobs.js';
import { SyncJob } from '../model/sync-job.entity.js';

/** For how long, and how often, the outcome of an attempt is tried to be written. */
const WRITE_OUTCOME_MS = 5_000;
const WRITE_OUTCOME_EVERY_MS = 200;

/** A notification of a postponed job comes so much later than the job is due: too early, it would be lost. */
const AFTER_DUE_MS = 20;

/** Works on one job from its lease to its end, and decides what becomes of it when a step fails. */
@Injectable()
export class JobRunner {
  private readonly logger = new Logger(JobRunner.name);

  constructor(
    private readonly em: EntityManager,
    private readonly leases: JobLeases,
    private readonly running: RunningJobs,
    private readonly jobWork: JobWork,
    private readonly queue: JobQueue,
  ) {}

  /** Works on a job if it is its turn; any number of calls for the same job have the effect of one. */
  async run(jobId: string): Promise<'done' | 'not now'> {
    atStep('job notification received');
    if (this.running.isStopping) return 'not now';
    const sourceId = await this.leases.sourceOf(jobId);
    return sourceId === null ? 'not now' : withinSource(sourceId, () => this.runWithin(jobId));
  }

  private async runWithin(jobId: string): Promise<'done' | 'not now'> {
    const lease = await this.leases.take(jobId);
    if (!lease) return 'not now';
    atStep('job taken');
    const phases = await measurePhases(() => this.running.run(lease, () => this.work(lease)));
    const job = await this.em.fork().findOneOrFail(SyncJob, jobId);
    this.logger.log({ job: jobId, status: job.status, phases }, 'an attempt at a job has ended');
    await this.queue.notifyNext(job.sourceId, job.resource);
    atStep('job notification handled');
    return 'done';
  }

  private async work(lease: Lease): Promise<void> {
    try {
      await this.jobWork.do(lease);
    } catch (error) {
      if (error instanceof LeaseLost) return;
      if (error instanceof OutdatedDefinition && !lease.isInterrupted) {
        // For another server, and at once: this one does not take it again.
        await this.writeOutcome(() => this.postpone(lease, { waitMs: 0, reason: error.message }));
        return;
      }
      if (error instanceof MirrorBusy && !lease.isInterrupted) {
        await this.writeOutcome(() => this.postpone(lease));
        return;
      }
      const permanent = permanentError(error);
      const { isInterrupted } = lease;
      if (!permanent && !isInterrupted) {
        this.logger.error({ job: lease.jobId, err: safeError(error) }, 'an attempt at a job failed');
      }
      await this.writeOutcome(() => {
        if (permanent) return this.leases.fail(lease, permanent);
        return isInterrupted ? this.leases.release(lease) : this.requeue(lease, error);
      });
    }
  }

  /**
   * Where a connection was lost, a new one may be there at once: a job that is requeued goes on sooner than one whose
   * heartbeats end. If nothing can be written for longer, as while PostgreSQL is away, the rescuer finds the job by that.
   */
  private async writeOutcome(write: () => Promise<void>): Promise<void> {
    const deadline = Date.now() + WRITE_OUTCOME_MS;
    for (;;) {
      try {
        return await write();
      } catch (error) {
        if (error instanceof LeaseLost) return;
        if (!isOutage(error) || Date.now() > deadline) throw error;
        await delay(WRITE_OUTCOME_EVERY_MS);
      }
    }
  }

  private async postpone(lease: Lease, pause?: { waitMs: number; reason: string }): Promise<void> {
    const waitMs = await this.leases.postpone(lease, pause);
    await this.queue.notifyAgain(lease.jobId, waitMs + AFTER_DUE_MS);
  }

  private async requeue(lease: Lease, error: unknown): Promise<void> {
    const pace = isOutage(error) && !isDiskFull(error) ? 'soon' : 'later';
    await this.leases.retry(lease, describeFailure(error), pace);
  }
}

/** Why no further attempt will change anything: the document is at fault, or what it takes is there no longer. */
function permanentError(error: unknown): JobError | null {
  if (error instanceof SnapshotFault) {
    const { code, detail, line, byteOffset, record } = error;
    return { code, detail, line, byteOffset, record };
  }
  if (error instanceof Refusal) {
    const { code, detail } = error;
    return { code, detail, line: null, byteOffset: null, record: null };
  }
  return null;
}

/** What went wrong, for readers of the job: never a driver's message, which may quote a row. */
function describeFailure(error: unknown): string {
  if (isDiskFull(error)) return 'the database ran out of disk space';
  if (isTooSlow(error)) return 'a statement exceeded its time limit';
  if (isOutage(error)) return 'the database was unavailable';
  const state = sqlState(error);
  return state === null ? 'an internal error occurred' : `the database reported error ${state}`;
}
