import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { JobLeases } from '../leases/job-leases.js';
import type { Lease } from '../leases/lease.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import { Definitions } from '../../definitions/definitions.js';

/** How long a job waits for the locks at least: longer than most reconciliations take. */
export const LEAST_PATIENCE_MS = 250;

/**
 * How long a job waits that has read a snapshot: giving up costs it the reading. What it waits for is mostly the job before it,
 * which takes a few times as long.
 * @param stagedInMs what the reading has cost
 */
export function patienceAfter(stagedInMs: number): number {
  return Math.max(LEAST_PATIENCE_MS, stagedInMs, Math.min(STAGINGS_OF_PATIENCE * stagedInMs, MOST_PATIENCE_MS));
}

const STAGINGS_OF_PATIENCE = 10;

/** Unless the reading took longer: meanwhile the job keeps a worker from others. */
const MOST_PATIENCE_MS = 10_000;

/** The pause between two attempts to take them. Each costs a short transaction. */
const TRY_EVERY_MS = 25;

/** The job of a linked resource is applied, or this one's own predecessor has not rolled back yet. */
export class MirrorBusy extends Error {
  constructor() {
    super('linked rows are being changed by another job');
  }
}

/**
 * One job at a time touches the rows of a source's resource and of those that are linked to it: a patient and its payments
 * that arrive at the same moment in two transactions would not see each other.
 */
@Injectable()
export class MirrorLocks {
  constructor(
    private readonly leases: JobLeases,
    private readonly definitions: Definitions,
  ) {}

  /**
   * Runs `work` in a transaction under the job's lease that holds the locks until its end. While another job has them
   * this one waits outside of any transaction: its row is not locked, so that it can be cancelled.
   * @throws MirrorBusy if they do not become free in time
   * @throws LeaseLost
   */
  async whenFree<T>(
    lease: Lease,
    patienceMs: number,
    work: (em: EntityManager, job: SyncJob) => Promise<T>,
  ): Promise<T> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const done = await this.leases.underLease(lease, async (em, job) =>
        (await this.tryLock(em, job)) ? { result: await work(em, job) } : null,
      );
      if (done) return done.result;
      if (performance.now() > deadline) throw new MirrorBusy();
      await delay(TRY_EVERY_MS);
    }
  }

  /** @returns false if one of the locks is taken; those that were free are released by the end of the transaction */
  private async tryLock(em: EntityManager, job: SyncJob): Promise<boolean> {
    // In an order that is the same for all: of two jobs that try at the same time one succeeds. The nested cases take one
    // after the other, as the arguments of an `and` need not be evaluated in their order.
    const linked = this.definitions.linkedTo(this.definitions.get(job.resource));
    const locked = linked.reduceRight((rest, { isShared }) => {
      const lock = isShared ? 'pg_try_advisory_xact_lock_shared' : 'pg_try_advisory_xact_lock';
      return `case when ${lock}(hashtextextended(?, 0)) then ${rest} else false end`;
    }, 'true');
    const [row] = await em.execute<{ locked: boolean }[]>(
      `select ${locked} as locked`,
      linked.map(({ name }) => `counterpart:${job.sourceId}:${name}`),
    );
    return row?.locked ?? false;
  }
}
