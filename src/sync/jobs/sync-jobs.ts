import { LockMode } from '@mikro-orm/core';
import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Cursors, listScope } from '../../http/cursors.js';
import { isTooSlow } from '../../database/outage.js';
import type { Page } from '../../http/paging.js';
import { Refusal } from '../../http/refusal.js';
import { Snapshot } from '../snapshots/snapshot.entity.js';
import { clearAttempt } from '../staging/clear-attempt.js';
import { databaseNow } from '../leases/job-leases.js';
import { JobQueue } from '../model/job-queue.js';
import { type JobView, jobView } from './job-view.js';
import { SyncJob } from '../model/sync-job.entity.js';
import type { JobStatus } from '../model/job-options.js';
import { reasonsToWait } from './waiting-jobs.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** How long a decision waits for a job that a worker has just locked. */
const LOCK_TIMEOUT_MS = 2_000;

/** Which jobs to list. */
export interface JobFilter {
  resource?: string;
  status?: JobStatus;
  limit: number;
  cursor?: string;
}

/** Jobs as their source sees them, and what it may decide about them. */
@Injectable()
export class SyncJobs {
  constructor(
    private readonly em: EntityManager,
    private readonly queue: JobQueue,
    private readonly cursors: Cursors,
  ) {}

  /** @throws Refusal 404 if there is no such job of this source */
  async get(sourceId: number, id: string): Promise<SyncJob> {
    const job = await this.find(sourceId, id);
    if (!job) throw Refusal.notFound('job');
    return job;
  }

  /** @returns null if there is no such job of this source */
  async find(sourceId: number, id: string): Promise<SyncJob | null> {
    return UUID.test(id) ? this.em.fork().findOne(SyncJob, { id, sourceId }) : null;
  }

  /** @returns null for a job that reverts another one */
  async snapshotOf(job: SyncJob): Promise<Snapshot | null> {
    return job.snapshotId === null ? null : this.em.fork().findOneOrFail(Snapshot, job.snapshotId);
  }

  async view(job: SyncJob, source: string): Promise<JobView> {
    const waiting = (await reasonsToWait(this.em.fork(), [job])).get(job.id) ?? null;
    return jobView(job, { source, snapshot: await this.snapshotOf(job), waiting });
  }

  /** Newest first. */
  async list(sourceId: number, source: string, filter: JobFilter): Promise<Page<JobView>> {
    const scope = listScope('jobs', sourceId, { resource: filter.resource, status: filter.status });
    const after = this.cursors.read(filter.cursor, scope, 1)?.[0];
    const em = this.em.fork();
    const jobs = await em.find(
      SyncJob,
      {
        sourceId,
        ...(filter.resource ? { resource: filter.resource } : {}),
        ...(filter.status ? { status: filter.status } : {}),
        ...(after ? { id: { $lt: after } } : {}),
      },
      { orderBy: { id: 'desc' }, limit: filter.limit + 1 },
    );
    const page = this.cursors.toPage(jobs, filter.limit, scope, (job) => [job.id]);
    const ids = page.items.flatMap(({ snapshotId }) => (snapshotId === null ? [] : [snapshotId]));
    const snapshots = await em.find(Snapshot, { id: { $in: ids } });
    const waiting = await reasonsToWait(em, page.items);
    const byId = new Map(snapshots.map((snapshot) => [snapshot.id, snapshot]));
    return {
      ...page,
      items: page.items.map((job) =>
        jobView(job, {
          source,
          snapshot: byId.get(job.snapshotId ?? '') ?? null,
          waiting: waiting.get(job.id) ?? null,
        }),
      ),
    };
  }

  /** Lets the plan that was shown be applied. @throws Refusal 409 if the job does not wait for that */
  async approve(job: SyncJob): Promise<SyncJob> {
    const approved = await this.decide(job, ['awaiting_approval'], (held) => {
      held.approvedPlan = held.heldPlan;
      Object.assign(held, { attempts: 0, lastError: null });
      held.moveTo('queued');
    });
    await this.queue.notifyAgain(job.id);
    return approved;
  }

  /** Drops the plan that was shown; the mirror stays as it is. @throws Refusal 409 */
  async reject(job: SyncJob): Promise<SyncJob> {
    return this.end(job, ['awaiting_approval'], 'rejected');
  }

  /** Stops a job that has not begun to change the mirror. @throws Refusal 409 */
  async cancel(job: SyncJob): Promise<SyncJob> {
    return this.end(job, ['queued', 'staging', 'awaiting_approval'], 'cancelled');
  }

  private async end(job: SyncJob, from: JobStatus[], to: JobStatus): Promise<SyncJob> {
    const ended = await this.decide(job, from, async (running, now, em) => {
      // A worker that works on it finds that out at its next write.
      running.fence += 1;
      const isHalfRead = running.status === 'staging';
      running.moveTo(to, now);
      if (isHalfRead) await clearAttempt(em, running);
    });
    await this.queue.notifyNext(ended.sourceId, ended.resource);
    return ended;
  }

  private async decide(
    job: SyncJob,
    from: JobStatus[],
    change: (job: SyncJob, now: Date, em: EntityManager) => Promise<void> | void,
  ): Promise<SyncJob> {
    // Looked at without a lock first: a job that is being reconciled is locked until it is over.
    refuseUnless(from, job);
    try {
      return await this.em.fork().transactional(async (em) => {
        await em.execute(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
        const locked = await em.findOneOrFail(SyncJob, job.id, { lockMode: LockMode.PESSIMISTIC_WRITE });
        refuseUnless(from, locked);
        await change(locked, await databaseNow(em), em);
        return locked;
      });
    } catch (error) {
      if (!isTooSlow(error)) throw error;
      throw new Refusal(409, 'wrong_status', 'The job is being worked on just now. Look at it again in a moment.');
    }
  }
}

function refuseUnless(from: JobStatus[], job: SyncJob): void {
  if (from.includes(job.status)) return;
  const detail = `The job is ${job.status}; this is possible only while it is ${from.join(' or ')}.`;
  throw new Refusal(409, 'wrong_status', detail);
}
