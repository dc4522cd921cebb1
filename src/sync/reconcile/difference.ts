import type { EntityManager } from '@mikro-orm/postgresql';
import type { SyncJob } from '../jobs/sync-job.entity.js';
import { createDeferredErrors } from './deferred-errors.js';
import type { MirrorTable } from './mirror-table.js';
import { analyzeIfLarge } from './refresh-statistics.js';
import { stagingTable } from './staging-table.js';

/** What is different between a job's staging table and the live rows, by what is to be done. */
export interface DifferenceCounts {
  insert: number;
  update: number;
  restore: number;
  delete: number;
}

/** All rows that must be touched. */
export function rowsIn(counts: DifferenceCounts): number {
  return counts.insert + counts.update + counts.restore + counts.delete;
}

/**
 * Fills the temporary table `difference` with every row that must be touched, once: operation (I, U, R = restore,
 * D), the row's id, its old values and the new ones, and the parent that it hangs on from now on. A full join reads both
 * sides once, in parallel; only differences go on (measured 2.5 times faster than an anti-join for each operation).
 */
export async function findDifference(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<DifferenceCounts> {
  const columns = mirror.columns.map(({ column }) => column);
  const link = mirror.link;
  const list = (prefix: string) => columns.map((column) => `, ${prefix}.${column}`).join('');
  const olds = mirror.columns.map(({ column, oldColumn }) => `, t.${column} as ${oldColumn}`).join('');
  const changed = columns.map((column) => ` or t.${column} is distinct from s.${column}`).join('');
  const join = job.mode === 'full' ? 'full join' : 'left join';
  await em.execute(`
    create temporary table difference on commit drop as
    select d.*, ${link ? 'p.id' : 'null::bigint'} as new_link
      from (
        select (case when s.external_id is null then 'D' when t.id is null then 'I'
                     when t.deleted_at is not null then 'R' else 'U' end)::"char" as operation,
               s.ordinal, coalesce(s.external_id, t.external_id) as external_id${list('s')},
               t.id${olds}, ${link ? `t.${link.linkColumn}` : 'null::bigint'} as old_link
          from (select * from ${stagingTable(job)} where not rejected) s
          ${join} (select * from ${mirror.table} where source_id = ${job.sourceId}) t
            on t.external_id = s.external_id
         where t.id is null
            or (s.external_id is null and t.deleted_at is null)
            or (s.external_id is not null and (t.deleted_at is not null${changed}))
      ) d
      ${link ? `left join ${link.parentTable} p on p.source_id = ${job.sourceId} and p.deleted_at is null and p.external_id = d.${link.keyColumn}` : ''}`);
  return countFound(em);
}

/** Counts a difference that has just been found, and sees to its statistics. */
export async function countFound(em: EntityManager): Promise<DifferenceCounts> {
  const counts = await countDifference(em);
  await analyzeIfLarge(em, 'difference', rowsIn(counts));
  return counts;
}

export async function countDifference(em: EntityManager): Promise<DifferenceCounts> {
  const rows = await em.execute<{ operation: string; rows: string }[]>(
    'select operation::text, count(*) as rows from difference group by operation',
  );
  const of = (operation: string) => Number(rows.find((row) => row.operation === operation)?.rows ?? 0);
  return { insert: of('I'), update: of('U'), restore: of('R'), delete: of('D') };
}

export async function countLive(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<number> {
  const [row] = await em.execute<{ live: string }[]>(
    `select count(*) as live from ${mirror.table} where source_id = ? and deleted_at is null`,
    [job.sourceId],
  );
  return Number(row?.live);
}

/**
 * Whether an external id was staged twice. For a full snapshot that follows from counts that are at hand: without
 * duplicates the staged rows that met a live row are as many as the live rows that met a staged one. Counting distinct
 * ids of the whole staging table instead takes as long as the join itself.
 */
export async function hasDuplicates(
  em: EntityManager,
  job: SyncJob,
  valid: number,
  live: number,
  counts: DifferenceCounts,
): Promise<boolean> {
  if (job.mode === 'full' && valid - counts.insert - counts.restore !== live - counts.delete) return true;
  if ((job.mode === 'full' ? counts.insert + counts.restore : valid) < 2) return false;
  const where =
    job.mode === 'full'
      ? `from difference where operation in ('I', 'R')`
      : `from ${stagingTable(job)} where not rejected`;
  const [row] = await em.execute<{ twice: boolean }[]>(
    `select count(*) <> count(distinct external_id) as twice ${where}`,
  );
  return row?.twice ?? false;
}

/**
 * The last valid record of an id wins: the earlier ones leave the staging table and are noted as deferred errors. The
 * difference, which was found with them, is dropped.
 */
export async function rejectDuplicates(em: EntityManager, job: SyncJob): Promise<number> {
  const table = stagingTable(job);
  await em.execute('drop table difference');
  await createDeferredErrors(em);
  const rows = await em.execute(`
    with last as (
      select external_id, max(ordinal) as ordinal from ${table} where not rejected
       group by external_id having count(*) > 1
    ), earlier as (
      delete from ${table} s using last
       where s.external_id = last.external_id and not s.rejected and s.ordinal < last.ordinal
      returning s.ordinal, s.external_id
    ), noted as (
      insert into deferred_error select ordinal, external_id, 'duplicate_external_id' from earlier returning 1
    )
    select count(*)::int as rows from noted`);
  return (rows[0] as { rows: number }).rows;
}

/**
 * Rows whose new version was rejected are not missing: they leave the difference.
 * @returns how many live rows are kept for that reason
 */
export async function retainRejected(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<number> {
  const table = stagingTable(job);
  await em.execute(`
    delete from difference d using ${table} s
     where d.operation = 'D' and s.rejected and s.external_id = d.external_id`);
  // From the staged side, whose numbers the planner knows: of a source that is new it thinks that it has one row.
  const [row] = await em.execute<{ retained: string }[]>(
    `select count(*) as retained
       from (select external_id from ${table} where rejected
             except select external_id from ${table} where not rejected) s
       join ${mirror.table} t on t.source_id = ? and t.external_id = s.external_id and t.deleted_at is null`,
    [job.sourceId],
  );
  return Number(row?.retained);
}

/** A digest of all that would be done: what an approval is bound to. */
export async function digestDifference(em: EntityManager): Promise<string> {
  const [row] = await em.execute<{ digest: string }[]>(
    `select count(*) || ':' || coalesce(sum(hashtextextended((d.*)::text, 0)::numeric), 0) as digest
       from (select operation, external_id, id from difference) d`,
  );
  return row?.digest ?? '';
}

/** Up to `limit` external ids that would go, in order. */
export async function sampleDeletions(em: EntityManager, limit: number): Promise<string[]> {
  const rows = await em.execute<{ external_id: string }[]>(
    `select external_id from difference where operation = 'D' order by external_id limit ?`,
    [limit],
  );
  return rows.map((row) => row.external_id);
}
