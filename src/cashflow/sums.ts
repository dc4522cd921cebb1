import type { EntityManager } from '@mikro-orm/postgresql';
import type { TouchedRows } from '../definitions/definition.js';

/** What sums of an account in a month tell. */
const FIGURES = ['credits', 'credit_count', 'debits', 'debit_count'];

const MONTH_KEY = 'iban, month, resource, currency, verdict, internal';
const POSITION_KEY = 'company, resource, currency, verdict';

/**
 * SQL: the columns of {@link FIGURES} as sums over legs. @param sign 1 or −1 for a leg that comes or goes, in SQL
 */
export function figures(sign = '1'): string {
  return `
    coalesce(sum(${sign} * amount) filter (where is_credit), 0) as credits,
    coalesce(sum(${sign}) filter (where is_credit), 0) as credit_count,
    coalesce(sum(${sign} * amount) filter (where not is_credit), 0) as debits,
    coalesce(sum(${sign}) filter (where not is_credit), 0) as debit_count`;
}

/**
 * Adds to the sums of accounts by month, and to the positions of their companies, what a relation tells by the key of the former. A
 * sum of nothing has no row.
 * @param moved the name of a temporary table, with each key once
 * @param mayEmpty whether a sum may have become one of nothing
 * @returns how many rows of these tables are new: as sums change, statistics stay as they are
 */
export async function addToSums(
  em: EntityManager,
  sourceId: number,
  moved: string,
  mayEmpty: boolean,
): Promise<TouchedRows[]> {
  const months = await countNew(em, addToMonths(sourceId, moved));
  const positions = await countNew(em, addToPositions(sourceId, moved));
  if (mayEmpty) {
    await em.execute(`
      delete from cashflow_month where source_id = ${sourceId} and credit_count = 0 and debit_count = 0;
      delete from cashflow_position where source_id = ${sourceId} and legs = 0`);
  }
  return [
    { table: 'cashflow_month', rows: months },
    { table: 'cashflow_position', rows: positions },
  ];
}

/** @param statement an upsert of `kept` */
async function countNew(em: EntityManager, statement: string): Promise<number> {
  const [row] = await em.execute<{ rows: number }[]>(`
    with added as (${statement} returning kept.xmax = 0 as is_new) select count(*) filter (where is_new)::int as rows from added`);
  return row?.rows ?? 0;
}

// Both in the order of their keys: two jobs that touch the same rows wait for each other instead of ending in a deadlock.

function addToMonths(sourceId: number, moved: string): string {
  const added = FIGURES.map((figure) => `${figure} = kept.${figure} + excluded.${figure}`).join(', ');
  return `
    insert into cashflow_month as kept (source_id, ${MONTH_KEY}, ${FIGURES.join(', ')})
    select ${sourceId}, ${MONTH_KEY}, ${FIGURES.join(', ')} from ${moved} order by ${MONTH_KEY}
    on conflict (source_id, ${MONTH_KEY}) do update set ${added}`;
}

function addToPositions(sourceId: number, moved: string): string {
  return `
    insert into cashflow_position as kept (source_id, ${POSITION_KEY}, net, legs)
    select ${sourceId}, ${POSITION_KEY}, sum(moved.credits - moved.debits), sum(moved.credit_count + moved.debit_count)
      from ${moved} moved join cashflow_account account on account.source_id = ${sourceId} and account.iban = moved.iban
     group by ${POSITION_KEY} order by ${POSITION_KEY}
    on conflict (source_id, ${POSITION_KEY}) do update set net = kept.net + excluded.net, legs = kept.legs + excluded.legs`;
}
