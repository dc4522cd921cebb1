import type { QueryResult } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { TouchedRows } from '../definitions/definition.js';

/** What the rows of both tables of sums hold beside their key. */
const FIGURES = ['credits', 'credit_count', 'debits', 'debit_count'];

const DETAILS = 'resource, currency, verdict, internal';

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
 * Adds to the sums of accounts what a relation tells by account, month and {@link DETAILS}. A sum of nothing has no row.
 * @param moved the name of a temporary table
 * @param mayEmpty whether a sum may have become one of nothing
 * @returns how many rows of the sums' tables were touched
 */
export async function addToSums(
  em: EntityManager,
  sourceId: number,
  moved: string,
  mayEmpty: boolean,
): Promise<TouchedRows[]> {
  const months = await em.execute<QueryResult>(upsert('cashflow_month', 'iban, month', sourceId, moved), [], 'run');
  const totals = await em.execute<QueryResult>(upsert('cashflow_total', 'iban', sourceId, moved), [], 'run');
  const touched = [
    { table: 'cashflow_month', rows: months.affectedRows },
    { table: 'cashflow_total', rows: totals.affectedRows },
  ];
  if (!mayEmpty) return touched;
  await em.execute(`
    delete from cashflow_month where source_id = ${sourceId} and credit_count = 0 and debit_count = 0;
    delete from cashflow_total where source_id = ${sourceId} and credit_count = 0 and debit_count = 0`);
  return touched;
}

function upsert(table: string, place: string, sourceId: number, moved: string): string {
  const key = `${place}, ${DETAILS}`;
  const sums = FIGURES.map((figure) => `sum(${figure}) as ${figure}`).join(', ');
  const added = FIGURES.map((figure) => `${figure} = kept.${figure} + excluded.${figure}`).join(', ');
  return `
    insert into ${table} as kept (source_id, ${key}, ${FIGURES.join(', ')})
    select ${sourceId}, ${key}, ${sums} from ${moved} group by ${key} order by ${key}
    on conflict (source_id, ${key}) do update set ${added}`;
}
