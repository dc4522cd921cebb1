import type { EntityManager } from '@mikro-orm/postgresql';

/** Finished jobs that one statement looks at: some ten look-ups by index for each. */
const BATCH_JOBS = 1_000;

/** A place in the order of the jobs' ends. */
export interface OldJobPosition {
  finishedAt: string;
  id: string;
}

/** That no row refers to the job any more. The changes of a job, and rows that carry its time, are told by the feed's log. */
const NOT_REFERRED_TO = `
  not exists (select from mirror_state m where m.source_id = j.source_id and m.resource = j.resource and m.applied_job = j.id)
  and not exists (select from mirror_commit c where c.job_id = j.id)
  and (j.applied_at is null
       or (j.counts->>'created')::int + (j.counts->>'updated')::int + (j.counts->>'deleted')::int = 0
       or exists (select from log_horizon h where h.log = 'change' and h.kept_from > j.applied_at))
  and not exists (select from snapshot s where s.id = j.snapshot_id and s.purged_at is null)
  and not exists (select from sync_error e where e.job_id = j.id and e.at = j.submitted_at)
  and not exists (select from sync_job r where r.replay_of = j.id)
  and not exists (select from sync_job r where r.revert_of = j.id)
  and not exists (select from idempotency_key k where k.job_id = j.id)
  and not exists (select from webhook_delivery d where d.job_id = j.id)`;

/**
 * Looks at a batch of jobs that ended more than `days` ago, the oldest first, and deletes those that nothing refers to,
 * with their snapshots, whose bytes were deleted before. The others stay, and are looked at again in the next pass.
 * @param after where the batch before has ended; null to begin a pass
 * @returns where this one has ended; null at the end of the pass
 */
export async function deleteOldJobs(
  em: EntityManager,
  days: number,
  after: OldJobPosition | null,
): Promise<OldJobPosition | null> {
  return em.transactional(async (inside) => {
    const [batch] = await inside.execute<
      { looked_at: number; finished_at: string | null; id: string | null; snapshots: string | null }[]
    >(
      `with looked_at as materialized (
         select * from sync_job
          where finished_at < now() - make_interval(days => ?)
            and (finished_at, id) > (coalesce(?, '-infinity')::timestamptz, coalesce(?, '00000000-0000-0000-0000-000000000000')::uuid)
          order by finished_at, id limit ?),
       old as (select j.id from looked_at j where ${NOT_REFERRED_TO}),
       deleted as (delete from sync_job j using old where j.id = old.id returning j.snapshot_id),
       last as (select finished_at::text, id from looked_at order by finished_at desc, id desc limit 1)
       select (select count(*)::int from looked_at) as looked_at,
              (select finished_at from last) as finished_at, (select id from last) as id,
              (select string_agg(distinct snapshot_id::text, ',') from deleted) as snapshots`,
      [days, after?.finishedAt ?? null, after?.id ?? null, BATCH_JOBS],
    );
    await inside.execute(
      `delete from snapshot s where s.id = any(string_to_array(?, ',')::uuid[]) and s.purged_at is not null
          and not exists (select from sync_job j where j.snapshot_id = s.id)`,
      [batch?.snapshots ?? ''],
    );
    if (!batch || batch.looked_at < BATCH_JOBS || batch.finished_at === null || batch.id === null) return null;
    return { finishedAt: batch.finished_at, id: batch.id };
  });
}
