import type { EntityManager, QueryResult } from '@mikro-orm/postgresql';
import type { SyncJob } from '../model/sync-job.entity.js';
import { jsonImage } from '../tables/mirror-sql.js';
import type { MirrorTable } from '../tables/mirror-table.js';

/** Rows of a plan that are kept: as many as somebody will look through. */
const MAX_ROWS = 10_000;

/**
 * Keeps what the difference would change, for whoever has to decide on it: deletions first, then by external id. It takes the
 * place of what was kept for the job before.
 * @returns how many rows are kept
 */
export async function keepPlan(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<number> {
  const before = jsonImage(mirror.columns, ({ oldColumn }) => oldColumn);
  const after = jsonImage(mirror.columns, ({ column }) => column);
  await em.execute('delete from planned_change where source_id = ? and job_id = ?', [job.sourceId, job.id]);
  const { affectedRows } = await em.execute<QueryResult>(
    `insert into planned_change (source_id, job_id, ordinal, external_id, operation, before, after)
     select ?, ?, row_number() over (order by "$operation" <> 'D', external_id), external_id,
            case "$operation" when 'I' then 'created' when 'U' then 'updated' when 'D' then 'deleted' else 'restored' end,
            case when "$operation" in ('U', 'D') then ${before} end,
            case when "$operation" <> 'D' then ${after} end
       from (select * from difference order by "$operation" <> 'D', external_id limit ${MAX_ROWS}) shown`,
    [job.sourceId, job.id],
    'run',
  );
  return affectedRows;
}
