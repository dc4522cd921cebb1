import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { CONFIG, type Config } from '../../platform/config.js';
import { isOutage } from '../../platform/outage.js';
import { safeError } from '../../platform/problem.filter.js';
import { Snapshot } from '../intake/snapshot.entity.js';
import { SnapshotFault } from '../read/snapshot-fault.js';
import { Stager } from '../read/stager.js';
import { Reconciler } from '../reconcile/reconciler.js';
import { type Claim, FenceLost, HEARTBEAT_MS, JobClaims } from './job-claims.js';
import { JobQueue } from './job-queue.js';
import { SyncJob } from './sync-job.entity.js';

/** Takes one job from its claim to its end: the order of the steps, and what becomes of a job when one of them fails. */
@Injectable()
export class JobRunner implements BeforeApplicationShutdown {
  private readonly logger = new Logger(JobRunner.name);
  private readonly running = new Map<Claim, Promise<void>>();
  private stopping = false;

  constructor(
    private readonly em: EntityManager,
    private readonly claims: JobClaims,
    private readonly stager: Stager,
    private readonly reconciler: Reconciler,
    private readonly queue: JobQueue,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Works on a job if it is its turn; any number of calls for the same job have the effect of one. */
  async run(jobId: string): Promise<'done' | 'not now'> {
    if (this.stopping) return 'not now';
    const claim = await this.claims.claim(jobId);
    if (!claim) return 'not now';
    const work = this.work(claim);
    this.running.set(claim, work);
    try {
      await work;
    } finally {
      this.running.delete(claim);
    }
    return 'done';
  }

  /** Lets what runs come to its end, within limits; what does not is given back for another worker. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    const end = new AbortController();
    const limit = delay(this.config.SHUTDOWN_TIMEOUT_SECONDS * 500, 'late' as const, {
      signal: end.signal,
      ref: false,
    });
    limit.catch(() => undefined);
    const outcome = await Promise.race([Promise.allSettled(this.running.values()), limit]);
    end.abort();
    if (outcome !== 'late') return;
    // A reconciliation holds its job's row; it rolls back when the process ends, and the rescuer finds the job silent.
    const given = [...this.running.keys()].map((claim) =>
      this.claims.giveBack(claim, 'stopping').catch(() => undefined),
    );
    await Promise.race([Promise.all(given), delay(1_000, undefined, { ref: false })]);
  }

  private async work(claim: Claim): Promise<void> {
    const heartbeat = setInterval(() => void this.claims.beat(claim).catch(() => undefined), HEARTBEAT_MS);
    try {
      await this.mirror(claim);
    } catch (error) {
      await this.concede(claim, error);
    } finally {
      clearInterval(heartbeat);
    }
    const job = await this.em.fork().findOneOrFail(SyncJob, claim.jobId);
    await this.queue.hintNext(job.sourceId, job.resource);
  }

  private async mirror(claim: Claim): Promise<void> {
    const em = this.em.fork();
    const job = await em.findOneOrFail(SyncJob, claim.jobId);
    const snapshot = await em.findOneOrFail(Snapshot, job.snapshotId);
    const rules = this.stager.rules();
    if (await this.reconciler.finishIfIdentical(claim, snapshot, rules)) return;
    await this.stager.stage(claim, snapshot, rules);
    await this.reconciler.reconcile(claim, snapshot, rules);
  }

  /** Decides what a failure means for the job. */
  private async concede(claim: Claim, error: unknown): Promise<void> {
    if (error instanceof FenceLost) return;
    if (error instanceof SnapshotFault) {
      const { code, detail, line, byteOffset, record } = error;
      await this.claims.fail(claim, { code, detail, line, byteOffset, record });
      return;
    }
    this.logger.error({ job: claim.jobId, err: safeError(error) }, 'a job did not get through');
    // While PostgreSQL is away nothing can be written down; the job's silence will tell.
    if (isOutage(error)) throw error;
    await this.claims.giveBack(claim, 'trouble');
  }
}
