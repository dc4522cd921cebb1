import { identifier } from '../../database/database.js';
import type { OwnTotal } from '../tables/mirror-table.js';
import { createTotals, fillRows, fillTotals, lockWriters, totalClause } from './resource-ddl.js';
import type { SchemaChange, Step, StoredShape, TablePlan } from './table-plan.js';

/**
 * What differs of the totals that a resource's rows have of their children. They follow from the rows, so nothing is lost
 * with them. Those that come along are a migration's matter: bundled parents may have some of declared children beside them.
 * @param stored the definitions that were applied last, by name
 * @param moved resources whose rows count differently from now on
 * @param emptied resources of which all rows are dropped
 */
export function totalsChanges(
  { mirror, found }: TablePlan,
  stored: ReadonlyMap<string, StoredShape>,
  moved: ReadonlySet<string>,
  emptied: ReadonlySet<string>,
): SchemaChange[] {
  const { totalsTable, totalsKey, resource, totals } = mirror;
  const change = (step: Step, what: string, sql: string[]): SchemaChange => ({
    resource,
    step,
    what,
    sql,
    loses: false,
  });
  if (totals.length === 0) {
    return found.totals.size === 0 ? [] : [change('cleanup', 'drops its totals', [`drop table ${totalsTable}`])];
  }
  const isKept = (total: OwnTotal) =>
    total.child.isBundled || (found.totals.has(total.column) && !isOther(total, stored));
  const kept = totals.filter(isKept);
  const made = totals.filter((total) => !isKept(total));
  const recounted = kept.filter(({ child }) => moved.has(child.resource));
  const dropped = [...found.totals.keys()].filter(
    (column) => ![...totalsKey.map(identifier), ...kept.map((total) => total.column)].includes(column),
  );
  const children = new Set([...made, ...recounted].map(({ child }) => child.table));
  const sql = [
    // Those who count otherwise so far come to their end first, and the others after this.
    ...[...children].map(lockWriters),
    ...(found.totals.size === 0 ? createTotals(mirror) : []),
    ...(found.totals.size > 0 && emptied.has(resource) ? [`truncate ${totalsTable}`] : []),
    ...(found.totals.size > 0 && recounted.length > 0 ? fillRows(mirror) : []),
    ...dropped.map((column) => `alter table ${totalsTable} drop column ${column}`),
    ...made.map((total) => `alter table ${totalsTable} add column ${totalClause(total)}`),
    ...recounted.map(({ column }) => `update ${totalsTable} set ${column} = 0 where ${column} <> 0`),
    ...fillTotals(mirror, [...made, ...recounted]),
  ];
  if (sql.length === 0) return [];
  const names = [...made, ...recounted].map(({ name }) => name);
  return names.length === 0
    ? [change('cleanup', `drops the totals ${dropped.join(', ')}`, sql)]
    : [change('totals', `counts ${names.join(', ')}`, sql)];
}

/** Whether a total of that name was counted otherwise. */
function isOther({ name, child, link }: OwnTotal, stored: ReadonlyMap<string, StoredShape>): boolean {
  const parent = link.parent.name;
  const before = stored.get(child.resource)?.shape.parents?.[parent];
  return before?.totals?.[name] !== child.definition.shape.parents?.[parent]?.totals?.[name];
}
