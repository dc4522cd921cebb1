import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, Logger } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { isDiskFull, isOutage, isTooSlow, sqlState } from '../../platform/outage.js';
import { safeError } from '../../platform/safe-error.js';
import { Refusal } from '../../platform/refusal.js';
import { atStep } from '../../platform/steps.js';
import { withinSource } from '../../platform/source-isolation.js';
import { Snapshot } from '../intake/snapshot.entity.js';
import { SnapshotFault } from '../read/snapshot-fault.js';
import { Stager } from '../read/stager.js';
import { Reconciler } from '../reconcile/reconciler.js';
import { type Claim, FenceLost, JobClaims } from './job-claims.js';
import { JobQueue } from './job-queue.js';
import { RunningJobs } from './running-jobs.js';
import { type JobError, SyncJob } from './sync-job.entity.js';

/** For how long, and how often, it is tried to write down what became of an attempt. */
const CONCEDE_MS = 5_000;
const CONCEDE_EVERY_MS = 200;

/** Takes one job from its claim to its end: the order of the steps, and what becomes of a job when one of them fails. */
@Injectable()
export class JobRunner {
  private readonly logger = new Logger(JobRunner.name);

  constructor(
    private readonly em: EntityManager,
    private readonly claims: JobClaims,
    private readonly running: RunningJobs,
    private readonly stager: Stager,
    private readonly reconciler: Reconciler,
    private readonly queue: JobQueue,
  ) {}

  /** Works on a job if it is its turn; any number of calls for the same job have the effect of one. */
  async run(jobId: string): Promise<'done' | 'not now'> {
    atStep('hint received');
    if (this.running.isStopping) return 'not now';
    const sourceId = await this.claims.sourceOf(jobId);
    return sourceId === null ? 'not now' : withinSource(sourceId, () => this.runWithin(jobId));
  }

  private async runWithin(jobId: string): Promise<'done' | 'not now'> {
    const claim = await this.claims.claim(jobId);
    if (!claim) return 'not now';
    atStep('job claimed');
    await this.running.run(claim, () => this.work(claim));
    const job = await this.em.fork().findOneOrFail(SyncJob, jobId);
    await this.queue.hintNext(job.sourceId, job.resource);
    atStep('hint done');
    return 'done';
  }

  private async work(claim: Claim): Promise<void> {
    try {
      await this.mirror(claim);
    } catch (error) {
      if (error instanceof FenceLost) return;
      const verdict = verdictOn(error);
      if (!verdict && !claim.isInterrupted) {
        this.logger.error({ job: claim.jobId, err: safeError(error) }, 'a job did not get through');
      }
      await this.untilWritten(() => (verdict ? this.claims.fail(claim, verdict) : this.putBack(claim, error)));
    }
  }

  /**
   * Where a connection was lost, a new one may be there at once: a job that is put back goes on sooner than one that falls
   * silent. If nothing can be written down for longer, as while PostgreSQL is away, the silence will tell.
   */
  private async untilWritten(write: () => Promise<void>): Promise<void> {
    const deadline = Date.now() + CONCEDE_MS;
    for (;;) {
      try {
        return await write();
      } catch (error) {
        if (error instanceof FenceLost) return;
        if (!isOutage(error) || Date.now() > deadline) throw error;
        await delay(CONCEDE_EVERY_MS);
      }
    }
  }

  private async mirror(claim: Claim): Promise<void> {
    const em = this.em.fork();
    const job = await em.findOneOrFail(SyncJob, claim.jobId);
    if (job.revertOf !== null) {
      await this.reconciler.revert(claim);
      return;
    }
    const snapshot = await em.findOneOrFail(Snapshot, { id: job.snapshotId });
    const rules = this.stager.rules();
    if (await this.reconciler.finishIfIdentical(claim, snapshot, rules)) return;
    await this.stager.stage(claim, snapshot, rules);
    atStep('all staged');
    await this.reconciler.reconcile(claim, snapshot, rules);
    atStep('effect committed');
  }

  private async putBack(claim: Claim, error: unknown): Promise<void> {
    if (claim.isInterrupted) {
      await this.claims.giveBack(claim);
      return;
    }
    const pace = isOutage(error) && !isDiskFull(error) ? 'soon' : 'later';
    await this.claims.retry(claim, troubleOf(error), pace);
  }
}

/** Why no further attempt will change anything: the document is at fault, or what it takes is there no longer. */
function verdictOn(error: unknown): JobError | null {
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

/** What went wrong, for whoever reads the job: never a driver's message, which may quote a row. */
function troubleOf(error: unknown): string {
  if (isDiskFull(error)) return 'the database had no room left';
  if (isTooSlow(error)) return 'a statement took longer than it may';
  if (isOutage(error)) return 'the database went away';
  const state = sqlState(error);
  return state === null ? 'something failed on our side' : `the database refused with ${state}`;
}
