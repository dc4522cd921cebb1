import type { EntityManager } from '@mikro-orm/postgresql';
import type { TouchedRows } from '../../definitions/definition.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import type { MirrorTable } from '../tables/mirror-table.js';

/** Below this the planner's choice hardly matters, and ANALYZE costs more than it saves. */
const FEW_ROWS = 1_000;

/**
 * Analyzes a table that a job has just made and filled for itself, if it is of a size that the planner should know.
 * @param columns those that statements search or join by: all columns of 20,000 wide rows took 60 ms
 */
export async function analyzeIfLarge(em: EntityManager, table: string, rows: number, columns: string[]): Promise<void> {
  if (rows >= FEW_ROWS) await em.execute(`analyze ${table} (${[...new Set(columns)].join(', ')})`);
}

/** The share at which autovacuum would analyze a table as well (`autovacuum_analyze_scale_factor`), up to a minute later. */
const SUBSTANTIAL_SHARE = 0.1;

/**
 * Analyzes the tables of which a job has touched a substantial share: a page right after the job must not be planned with
 * the statistics of before it. After a first load those said that the source had one row, and a page of patients by
 * total sorted 35,000 rows (p95 264 ms). To be called as late as possible: other jobs' ANALYZE of these tables waits for the
 * commit.
 * @param fillsSource whether most rows of the source are new. The statistics know nothing of a new source, however small
 * it is beside the others.
 */
export async function refreshStatistics(
  em: EntityManager,
  touched: TouchedRows[],
  fillsSource: boolean,
): Promise<void> {
  // Always in the same order, so that two jobs which analyze the same tables cannot wait for each other.
  const tables = touched.toSorted((a, b) => (a.table < b.table ? -1 : 1));
  for (const { table, rows } of tables) {
    if (rows < FEW_ROWS) continue;
    if (fillsSource || rows >= SUBSTANTIAL_SHARE * (await knownRows(em, table))) {
      // A function of the owner's: the application's role owns no table.
      await em.execute('select analyze_mirror(?)', [table]);
    }
  }
}

/**
 * Whether most rows of a job's source are new. A window tells of its own rows only how many were live: those beside it are counted, as
 * far as they matter.
 * @param created rows that the job has created @param live rows that were live before it where it speaks for all
 */
export async function fillsSource(
  em: EntityManager,
  job: SyncJob,
  { table }: MirrorTable,
  created: number,
  live: number,
): Promise<boolean> {
  if (created <= live || created < FEW_ROWS) return false;
  if (job.window() === null) return true;
  const [row] = await em.execute<{ rows: string }[]>(
    `select count(*) as rows from (
       select from ${table} where source_id = ? and deleted_at is null limit ?) found`,
    [job.sourceId, 2 * created],
  );
  return Number(row?.rows) < 2 * created;
}

/** The number of rows that the planner reckons with; -1 if the table was never analyzed. */
async function knownRows(em: EntityManager, table: string): Promise<number> {
  const [row] = await em.execute<{ reltuples: number }[]>('select reltuples from pg_class where oid = ?::regclass', [
    table,
  ]);
  return row?.reltuples ?? -1;
}
