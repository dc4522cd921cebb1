import type { EntityManager } from '@mikro-orm/postgresql';
import type { SyncJob } from '../model/sync-job.entity.js';

/**
 * Gives a job that changed rows the next number of its source: to be the last thing that its transaction does. From
 * here to the commit the source's row is locked, so the numbers are in the order of the commits, over all resources and
 * workers, and whoever sees a number sees all below it; an aborted transaction gives its number back. Nothing but this
 * waits for that lock (foreign keys take a weaker one), and whoever has it asks for no other: so it can be part of no
 * deadlock.
 */
export async function numberCommit(em: EntityManager, job: SyncJob): Promise<void> {
  const rows = rowsChangedBy(job);
  if (rows === 0) return;
  await em.flush();
  await em.execute(
    `with numbered as (update source set last_commit = last_commit + 1 where id = ? returning last_commit)
     insert into mirror_commit (source_id, seq, resource, job_id, at, rows)
     select job.source_id, numbered.last_commit, job.resource, job.id, job.applied_at, ?
       from sync_job job, numbered where job.id = ?`,
    [job.sourceId, rows, job.id],
  );
}

/** How many rows a job changed: none before it is applied, and none if it is dry. */
export function rowsChangedBy({ appliedAt, counts }: SyncJob): number {
  return appliedAt === null ? 0 : counts.created + counts.updated + counts.deleted;
}
