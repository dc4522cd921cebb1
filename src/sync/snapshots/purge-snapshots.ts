import type { EntityManager } from '@mikro-orm/postgresql';

/** Snapshots in one statement. One of 1 GiB takes about a second, so that a statement stays far below its time limit. */
export const BATCH_SNAPSHOTS = 5;

/**
 * Deletes the bytes of those of at most {@link BATCH_SNAPSHOTS} snapshots that no unfinished job needs; their size and
 * digest stay. Whoever chose them may have done so before a replay was committed, so that is looked at again under their
 * locks, by a statement of its own: it sees every job that was made before, and a replay that comes later waits for the
 * lock and finds the bytes gone. Snapshots that are locked, as by a replay, are left out.
 * @returns how many that were
 */
export async function purgeSnapshots(em: EntityManager, ids: string[]): Promise<number> {
  if (ids.length === 0) return 0;
  return em.transactional(async (inside) => {
    const locked = await inside.execute<{ id: string }[]>(
      `select id from snapshot where id = any(string_to_array(?, ',')::uuid[]) and purged_at is null
          for update skip locked`,
      [ids.join(',')],
    );
    const [row] = await inside.execute<{ purged: number }[]>(
      `with purged as (
         update snapshot s set purged_at = now()
          where s.id = any(string_to_array(?, ',')::uuid[])
            and not exists (select 1 from sync_job j where j.snapshot_id = s.id and j.finished_at is null)
         returning s.id),
       deleted as (delete from snapshot_chunk c using purged where c.snapshot_id = purged.id)
       select count(*)::int as purged from purged`,
      [locked.map(({ id }) => id).join(',')],
    );
    return row?.purged ?? 0;
  });
}
