import type { EntityManager, QueryResult } from '@mikro-orm/postgresql';
import type { SyncJob } from '../model/sync-job.entity.js';
import type { DifferenceCounts } from './difference.js';
import { asKey } from '../tables/mirror-sql.js';
import type { Link, MirrorTable } from '../tables/mirror-table.js';
import { addTotals, type Counted, runTotals } from './move-totals.js';
import type { TouchedRows } from '../../definitions/definition.js';

/**
 * Children of parents that are gone wait for them; those that waited for parents that have arrived do so no longer. With that
 * a child may cease or begin to count in the totals of all of its parents. By one link after the other, as a child may name
 * several of the parents that a job brings or takes.
 * @returns how many rows of which tables were touched
 */
export async function relinkChildren(
  em: EntityManager,
  job: SyncJob,
  parent: MirrorTable,
  at: string,
  counts: DifferenceCounts,
): Promise<TouchedRows[]> {
  const touched: TouchedRows[] = [];
  // oxlint-disable-next-line no-await-in-loop -- over the links between resources
  for (const { mirror, link } of parent.children) {
    if (counts.delete > 0) touched.push(...(await unlink(em, job, mirror, link, at)));
    if (counts.insert + counts.restore > 0) touched.push(...(await resolve(em, job, mirror, link, at)));
  }
  return touched;
}

function unlink(em: EntityManager, job: SyncJob, child: MirrorTable, link: Link, at: string): Promise<TouchedRows[]> {
  const others = child.links.filter((other) => other !== link);
  // The totals of the parent that is gone are gone with it.
  const isCounted = hasTotals(child, others);
  const wasCounted = child.isResolved(
    ({ by }) => by.column,
    ({ linkColumn }) => linkColumn,
    others,
  );
  return relink(em, {
    child,
    statement: `
      update ${child.table} c set ${link.linkColumn} = null
        from difference d where d."$operation" = 'D' and c.source_id = ${job.sourceId} and c.${link.linkColumn} = d.id`,
    ...(isCounted ? totalsOf(job, child, at, `deleted_at is null and ${wasCounted}`, -1) : NO_TOTALS),
  });
}

function resolve(em: EntityManager, job: SyncJob, child: MirrorTable, link: Link, at: string): Promise<TouchedRows[]> {
  return relink(em, {
    child,
    statement: linkArrived(job.sourceId, child, link),
    ...(hasTotals(child, child.links) ? totalsOf(job, child, at, child.isRowResolved('relinked'), 1) : NO_TOTALS),
  });
}

/**
 * SQL: links children to the parents that a difference brings. Where children name their parents by no text, they are found by the
 * view of a source's rows: see {@link liveParents}. That has the condition on the source itself; with the same one as the table's,
 * PostgreSQL would keep other conditions from the index again, as it takes what is equal to belong to the table's policy.
 */
export function linkArrived(sourceId: number, child: MirrorTable, { linkColumn, by, parentTable }: Link): string {
  const waits = (alias: string) =>
    `${alias}.${linkColumn} is null and ${alias}.deleted_at is null and ${alias}.${by.column}${asKey(by)} = d.external_id`;
  const isText = asKey(by) === '';
  return `
      update ${child.table} c set ${linkColumn} = p.id
        from difference d join ${parentTable} p on p.source_id = ${sourceId} and p.external_id = d.external_id
             ${isText ? '' : `join ${child.view} w on ${waits('w')} and w.${by.column} is not null`}
       where d."$operation" in ('I', 'R') and c.source_id = ${sourceId} and ${isText ? waits('c') : 'c.id = w.id'}`;
}

function hasTotals(child: MirrorTable, links: Link[]): boolean {
  return child.parentTotals.some(({ totals }) => totals.some((total) => links.includes(total.link)));
}

/** The statement that changes the links of a child's rows, and what that adds to totals. */
interface Relinking {
  child: MirrorTable;
  statement: string;
  totals: string[] | null;
}

const NO_TOTALS = { totals: null };

/** @param where which of the rows that were relinked begin (1) or cease (-1) to count */
function totalsOf(
  job: SyncJob,
  child: MirrorTable,
  at: string,
  where: string,
  sign: 1 | -1,
): Pick<Relinking, 'totals'> {
  const counted: Counted = {
    from: 'relinked',
    where,
    sign,
    value: ({ column }) => column,
    link: ({ linkColumn }) => linkColumn,
  };
  return { totals: addTotals(job, child, at, [counted]) };
}

async function relink(em: EntityManager, { child, statement, totals }: Relinking): Promise<TouchedRows[]> {
  if (totals === null) {
    return [{ table: child.table, rows: (await em.execute<QueryResult>(statement, [], 'run')).affectedRows }];
  }
  const expressions = [`relinked as (${statement} returning c.*)`, ...totals];
  return runTotals(em, child, expressions, { relinked: child.table });
}
