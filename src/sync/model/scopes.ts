import type { EntityManager } from '@mikro-orm/postgresql';
import { overlaps } from './job-conditions.js';
import type { MirrorState } from './mirror-state.entity.js';
import { SyncJob } from './sync-job.entity.js';

// Which jobs of one source and resource have to do with each other, by what they may touch.

/**
 * The job that took effect last among those that may have touched the same rows; null if none has, or it is no longer kept. A
 * window apart from it that has updated rows counts too: it may have taken one from this one.
 */
export async function lastApplied(em: EntityManager, job: SyncJob): Promise<SyncJob | null> {
  const [row] = await em.execute<{ id: string }[]>(
    `select other.id from sync_job other join sync_job job on job.id = ?
      where other.source_id = job.source_id and other.resource = job.resource and other.applied_at is not null
        and (${overlaps('other', 'job')}
             or (other.counts->>'updated')::int > 0)
      order by other.applied_at desc limit 1`,
    [job.id],
  );
  return row ? em.findOne(SyncJob, row.id) : null;
}

/** Whether a newer job has taken effect that may have touched the same rows: an older one must not overwrite it. */
export async function isOvertaken(em: EntityManager, job: SyncJob, state: MirrorState): Promise<boolean> {
  if (state.appliedSeq <= job.seq) return false;
  const rows = await em.execute(
    `select from sync_job newer join sync_job job on job.id = ?
      where newer.source_id = job.source_id and newer.resource = job.resource and newer.seq > job.seq
        and newer.applied_at is not null and ${overlaps('newer', 'job')} limit 1`,
    [job.id],
  );
  return rows.length > 0;
}

/** Whether a newer job has taken effect at all: windows apart from each other do so in any order. */
export async function hasNewerApplied(em: EntityManager, { sourceId, resource, seq }: SyncJob): Promise<boolean> {
  const rows = await em.execute(
    `select from sync_job where source_id = ? and resource = ? and seq > ? and applied_at is not null limit 1`,
    [sourceId, resource, seq],
  );
  return rows.length > 0;
}

/** How many newer snapshots wait that make this job pointless. */
export async function countSuperseding(em: EntityManager, job: SyncJob): Promise<number> {
  const [row] = await em.execute<{ newer: number }[]>(
    `select count(*)::int as newer from sync_job newer join sync_job job on job.id = ?
      where newer.source_id = job.source_id and newer.resource = job.resource and newer.seq > job.seq
        and not newer.dry_run and newer.status = 'queued'
        and (newer.mode = 'full' or (newer.mode = 'window' and job.mode = 'window'
             and newer.window_low <= job.window_low and newer.window_high >= job.window_high))`,
    [job.id],
  );
  return row?.newer ?? 0;
}

/** Whether two jobs speak for the same rows. */
export function isSameScope(one: SyncJob, other: SyncJob): boolean {
  return one.mode === other.mode && one.windowFrom === other.windowFrom && one.windowTo === other.windowTo;
}
