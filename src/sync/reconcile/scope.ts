import type { SyncJob } from '../model/sync-job.entity.js';
import { comparison } from '../tables/mirror-sql.js';
import type { MirrorTable } from '../tables/mirror-table.js';
import { stagingTable } from '../staging/staging-table.js';

/**
 * SQL: whether the row `alias` of the mirrored table is one that the job's snapshot speaks for. What it speaks for and does
 * not hold was deleted at the source.
 */
export function isInScope(job: SyncJob, mirror: MirrorTable, alias: string): string {
  const window = job.window();
  if (window === null) return String(job.mode === 'full');
  const column = mirror.column(job.windowField ?? '');
  const value = `${alias}.${column.column}`;
  return `(${comparison(column, value, '>=', window.from)} and ${comparison(column, value, '<', window.to)})`;
}

/**
 * The rows of the mirrored table that a difference has to look at, as a relation: those in scope, and of the others those whose
 * key was sent. The latter are looked up one by one, so that a window costs the same beside ten million rows. Of a full
 * snapshot it is all rows of the source; a partial one may leave out what does not meet a record, as the planner knows best.
 */
export function rowsToCompare(job: SyncJob, mirror: MirrorTable): string {
  if (job.window() === null) return `(select * from ${mirror.table} t where t.source_id = ${job.sourceId})`;
  // The view, as row-level security keeps comparisons of decimals from using an index.
  const ofSource = `select * from ${mirror.view} t where t.source_id = ${job.sourceId}`;
  const inside = isInScope(job, mirror, 't');
  return `(${ofSource} and ${inside}
     union all
     select outside.* from (select distinct external_id from ${stagingTable(job)} where not "$rejected") sent
      cross join lateral (${ofSource} and t.external_id = sent.external_id and (${inside}) is not true limit 1) outside)`;
}
