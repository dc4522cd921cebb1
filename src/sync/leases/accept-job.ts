import { LockMode } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import { NOW_MS } from './job-leases.js';
import { SyncJob } from '../model/sync-job.entity.js';

/** A job that is to be made: its source and resource, and what it is to do. */
export type NewJob = Pick<
  SyncJob,
  | 'sourceId'
  | 'resource'
  | 'mode'
  | 'deletes'
  | 'dryRun'
  | 'snapshotId'
  | 'queue'
  | 'replayOf'
  | 'revertOf'
  | 'windowField'
  | 'windowFrom'
  | 'windowTo'
  | 'windowLow'
  | 'windowHigh'
>;

/** Of jobs that may touch any row. */
export const NO_WINDOW = {
  windowField: null,
  windowFrom: null,
  windowTo: null,
  windowLow: null,
  windowHigh: null,
} as const;

/** A new job, and how many older ones it has superseded. */
export interface AcceptedJob {
  job: SyncJob;
  superseded: number;
}

/**
 * Makes a job as the newest of its source and resource, in the current transaction. It supersedes what it makes
 * pointless: a full snapshot does that to the full ones, windows and reverts that still wait, a window to those within it.
 */
export async function acceptJob(em: EntityManager, order: NewJob): Promise<AcceptedJob> {
  const { seq, now } = await nextPlace(em, order.sourceId, order.resource);
  const job = em.create(SyncJob, { ...order, id: uuidv7(), seq, submittedAt: now });
  em.persist(job);
  await em.flush();
  const superseded = job.isComplete() && !order.dryRun ? await supersedeOlder(em, job, now) : 0;
  return { job, superseded };
}

/** The lock on the row makes the order of sequence numbers the order of commits. */
async function nextPlace(em: EntityManager, sourceId: number, resource: string): Promise<{ seq: number; now: Date }> {
  const [row] = await em.execute<{ last_seq: string; now: string }[]>(
    `insert into mirror_state (source_id, resource, last_seq, applied_seq) values (?, ?, 1, 0)
     on conflict (source_id, resource) do update set last_seq = mirror_state.last_seq + 1
     returning last_seq, ${NOW_MS} as now`,
    [sourceId, resource],
  );
  return { seq: Number(row?.last_seq), now: new Date(Number(row?.now)) };
}

/** Which of the jobs of the same resource a newer one makes pointless. */
function supersededBy({ mode, windowLow, windowHigh }: SyncJob) {
  if (mode === 'full') return [{ mode: { $in: ['full' as const, 'window' as const] } }, { revertOf: { $ne: null } }];
  return [{ mode: 'window' as const, windowLow: { $gte: windowLow }, windowHigh: { $lte: windowHigh } }];
}

async function supersedeOlder(em: EntityManager, newer: SyncJob, now: Date): Promise<number> {
  const older = await em.find(
    SyncJob,
    {
      sourceId: newer.sourceId,
      resource: newer.resource,
      seq: { $lt: newer.seq },
      $or: supersededBy(newer),
      dryRun: false,
      status: { $in: ['queued', 'awaiting_approval'] },
    },
    { lockMode: LockMode.PESSIMISTIC_WRITE },
  );
  for (const job of older) job.moveTo('superseded', now);
  return older.length;
}
