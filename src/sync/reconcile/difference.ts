import type { EntityManager } from '@mikro-orm/postgresql';
import { COPIES } from '../../definitions/definition.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import { createDeferredErrors } from './deferred-errors.js';
import { boundType, isDistinct, liveParents } from '../tables/mirror-sql.js';
import type { MirrorTable } from '../tables/mirror-table.js';
import { isInScope, rowsToCompare } from './scope.js';
import { analyzeIfLarge } from './refresh-statistics.js';
import { stagingTable } from '../staging/staging-table.js';

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
 * D), the row's id, its old values and the new ones, and the parents that it hangs on before and from now on. A full join
 * reads both sides once, in parallel; only differences go on (measured 2.5 times faster than an anti-join for each operation).
 */
export async function findDifference(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<DifferenceCounts> {
  const list = (prefix: string) => mirror.columns.map(({ column }) => `, ${prefix}.${column}`).join('');
  const olds = mirror.columns.map(({ column, oldColumn }) => `, t.${column} as ${oldColumn}`).join('');
  const oldLinks = mirror.links.map(({ linkColumn, oldLink }) => `, t.${linkColumn} as ${oldLink}`).join('');
  const changed = mirror.columns.map(
    (column) => ` or ${isDistinct(column, `t.${column.column}`, `s.${column.column}`)}`,
  );
  const join = job.isComplete() ? 'full join' : 'left join';
  await em.execute(`
    create temporary table difference on commit drop as
    select d.*${newLinks(mirror)}
      from (
        select (case when s.external_id is null then 'D' when t.id is null then 'I'
                     when t.deleted_at is not null then 'R' else 'U' end)::"char" as "$operation",
               s."$ordinal", coalesce(s.external_id, t.external_id) as external_id${list('s')},
               t.id${olds}${oldLinks}
          from (select * from ${stagingTable(job)} where not "$rejected") s
          ${join} ${rowsToCompare(job, mirror)} t
            on t.external_id = s.external_id
         where t.id is null
            or (s.external_id is null and t.deleted_at is null)
            or (s.external_id is not null and (t.deleted_at is not null${changed.join('')}))
      ) d${liveParents(mirror, job.sourceId, 'd')}`);
  return countFound(em, mirror);
}

/** The columns of a difference `d` with the row ids of the live parents that its rows name; see {@link liveParents}. */
export function newLinks({ links }: MirrorTable): string {
  return links.map(({ newLink }, index) => `, p${index}.id as ${newLink}`).join('');
}

/** Counts a difference that has just been found, and sees to its statistics. */
export async function countFound(em: EntityManager, { links }: MirrorTable): Promise<DifferenceCounts> {
  const counts = await countDifference(em);
  const ofLinks = links.flatMap(({ by, oldLink, newLink }) => [by.column, oldLink, newLink]);
  await analyzeIfLarge(em, 'difference', rowsIn(counts), ['"$operation"', 'external_id', 'id', ...ofLinks]);
  return counts;
}

export async function countDifference(em: EntityManager): Promise<DifferenceCounts> {
  const rows = await em.execute<{ operation: string; rows: string }[]>(
    'select "$operation"::text as operation, count(*) as rows from difference group by 1',
  );
  const of = (operation: string) => Number(rows.find((row) => row.operation === operation)?.rows ?? 0);
  return { insert: of('I'), update: of('U'), restore: of('R'), delete: of('D') };
}

/** Rows that are live now: of a window those in it, else all of the source. */
export async function countLive(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<number> {
  if (job.window() === null) return em.count(mirror.entity, { sourceId: job.sourceId, deletedAt: null });
  const [row] = await em.execute<{ live: string }[]>(
    `select count(*) as live from ${mirror.table} t
      where t.source_id = ? and t.deleted_at is null and ${isInScope(job, mirror, 't')}`,
    [job.sourceId],
  );
  return Number(row?.live);
}

/** Whether an external id was staged twice. */
export async function isStagedTwice(em: EntityManager, job: SyncJob): Promise<boolean> {
  const [row] = await em.execute<{ twice: boolean }[]>(
    `select exists (select from ${stagingTable(job)} where not "$rejected" group by external_id having count(*) > 1) as twice`,
  );
  return row?.twice ?? false;
}

/**
 * The same for a full snapshot, of which it follows from counts that are at hand: without duplicates the staged rows that met
 * a live row are as many as the live rows that met a staged one. Counting distinct ids of the whole staging table instead takes
 * as long as the join itself.
 */
export async function hasDuplicates(
  em: EntityManager,
  valid: number,
  live: number,
  counts: DifferenceCounts,
): Promise<boolean> {
  const arrived = counts.insert + counts.restore;
  if (valid - arrived !== live - counts.delete) return true;
  if (arrived < 2) return false;
  const [row] = await em.execute<{ twice: boolean }[]>(
    `select count(*) <> count(distinct external_id) as twice from difference where "$operation" in ('I', 'R')`,
  );
  return row?.twice ?? false;
}

/**
 * The last valid record of an id wins: the earlier ones leave the staging table and are noted as deferred errors. A
 * difference that was found with them is dropped.
 */
export async function rejectDuplicates(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<number> {
  const table = stagingTable(job);
  await em.execute('drop table if exists difference');
  if (mirror.definition.countsDuplicates) await countCopies(em, job, mirror);
  await createDeferredErrors(em);
  const rows = await em.execute(`
    with last as (
      select external_id, max("$ordinal") as ordinal from ${table} where not "$rejected"
       group by external_id having count(*) > 1
    ), earlier as (
      delete from ${table} s using last
       where s.external_id = last.external_id and not s."$rejected" and s."$ordinal" < last.ordinal
      returning s."$ordinal" as ordinal, s.external_id
    ), noted as (
      insert into deferred_error select ordinal, external_id from earlier returning 1
    )
    select count(*)::int as rows from noted`);
  return (rows[0] as { rows: number }).rows;
}

/** Earlier records that are identical with the last one of their id are copies of it. The rest are duplicates like others. */
async function countCopies(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<void> {
  const table = stagingTable(job);
  const differs = mirror.columns.map((column) => isDistinct(column, `s.${column.column}`, `last.${column.column}`));
  await em.execute(`
    with last as (
      select distinct on (external_id) * from ${table} where not "$rejected" order by external_id, "$ordinal" desc
    ), copies as (
      delete from ${table} s using last
       where s.external_id = last.external_id and not s."$rejected" and s."$ordinal" < last."$ordinal"
         and not (${differs.join(' or ')})
      returning last."$ordinal" as ordinal
    ), counted as (
      select ordinal, count(*) as copies from copies group by ordinal
    )
    update ${table} s set ${COPIES} = 1 + counted.copies from counted where s."$ordinal" = counted.ordinal`);
}

/**
 * Of a window that takes effect after newer ones: records whose live row lies in one of those are rejected. The newer snapshot
 * was complete for that range, so it has put the row there or found it there, and an older one must not take it out again.
 * @returns how many they are
 */
export async function rejectOvertaken(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<number> {
  await createDeferredErrors(em);
  const column = mirror.column(job.windowField ?? '');
  const type = boundType(column);
  const [row] = await em.execute<{ rows: number }[]>(
    `with newer as (
       select window_from::${type} as low, window_to::${type} as high from sync_job
        where source_id = ? and resource = ? and seq > ? and applied_at is not null and window_field = ?
     ), overtaken as (
       update ${stagingTable(job)} s set "$rejected" = true
         from ${mirror.table} t
        where not s."$rejected" and t.source_id = ${job.sourceId} and t.external_id = s.external_id
          and t.deleted_at is null and (${isInScope(job, mirror, 't')}) is not true
          and exists (select from newer where t.${column.column} >= newer.low and t.${column.column} < newer.high)
       returning s."$ordinal" as ordinal, s.external_id
     ), noted as (
       insert into deferred_error select ordinal, external_id, '{}' from overtaken returning 1
     )
     select count(*)::int as rows from noted`,
    [job.sourceId, job.resource, job.seq, job.windowField],
  );
  return row?.rows ?? 0;
}

/**
 * Rows whose new version was rejected are not missing: they leave the difference.
 * @returns how many live rows are kept for that reason
 */
export async function retainRejected(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<number> {
  const table = stagingTable(job);
  await em.execute(`
    delete from difference d using ${table} s
     where d."$operation" = 'D' and s."$rejected" and s.external_id = d.external_id`);
  // From the staged side, whose numbers the planner knows: of a source that is new it thinks that it has one row.
  const [row] = await em.execute<{ retained: string }[]>(
    `select count(*) as retained
       from (select external_id from ${table} where "$rejected"
             except select external_id from ${table} where not "$rejected") s
       join ${mirror.table} t on t.source_id = ? and t.external_id = s.external_id and t.deleted_at is null`,
    [job.sourceId],
  );
  return Number(row?.retained);
}

/** A digest of all that would be done, values before and after included: what an approval is bound to. */
export async function digestDifference(em: EntityManager, mirror: MirrorTable): Promise<string> {
  const values = mirror.columns.flatMap(({ column, oldColumn }) => [column, oldColumn]);
  const shown = ['"$operation"', 'external_id', 'id', ...values].join(', ');
  const [row] = await em.execute<{ digest: string }[]>(
    `select count(*) || ':' || coalesce(sum(hashtextextended((d.*)::text, 0)::numeric), 0) as digest
       from (select ${shown} from difference) d`,
  );
  return row?.digest ?? '';
}

/** Up to `limit` external ids that would go, in order. */
export async function sampleDeletions(em: EntityManager, limit: number): Promise<string[]> {
  const rows = await em.execute<{ external_id: string }[]>(
    `select external_id from difference where "$operation" = 'D' order by external_id limit ?`,
    [limit],
  );
  return rows.map((row) => row.external_id);
}
