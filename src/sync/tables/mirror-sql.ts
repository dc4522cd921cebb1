import { Fault, INTEGER } from '../../definitions/column-types.js';
import { literal } from '../../database/database.js';
import type { MirrorColumn, MirrorTable } from './mirror-table.js';

/** SQL: whether two values of a column differ. With a collation of its own, as tables of an earlier version have another. */
export function isDistinct({ type }: MirrorColumn, one: string, other: string): string {
  return `${one} is distinct from ${other}${type.sql.endsWith('collate "C"') ? ' collate "C"' : ''}`;
}

/** SQL behind a column that names a parent: it is compared with external ids, which are text, by an index in their order. */
export function asKey({ type }: MirrorColumn): string {
  return type.name.startsWith('text') ? '' : '::text collate "C"';
}

/**
 * SQL: a comparison of a column with a bound that may lie beyond the values of its type. PostgreSQL has no bigint for such a
 * bound, and would use no index to compare with another type.
 * @param value the column's value
 * @param bind the bound in SQL, if it is needed
 */
export function comparison(
  { type }: MirrorColumn,
  value: string,
  operator: '>=' | '<=' | '<',
  bound: string,
  bind: (bound: string) => string = literal,
): string {
  const isBeyond = type === INTEGER && INTEGER.read(bound) instanceof Fault;
  if (!isBeyond) return `${value} ${operator} ${bind(bound)}`;
  return bound.startsWith('-') === (operator === '>=') ? `${value} is not null` : 'false';
}

/** SQL: the type by which bounds of a column that are kept as text are compared with its values. */
export function boundType({ type }: MirrorColumn): string {
  return type.uses.has('sum') ? 'numeric' : type.sql;
}

/** PostgreSQL takes a hundred arguments: names and values. */
const MAX_PAIRS = 50;

/** SQL: a JSON object with the values by field. @param value the value of a column, in SQL */
export function jsonImage(columns: MirrorColumn[], value: (column: MirrorColumn) => string): string {
  return jsonObject(columns.map((column) => [column.field, value(column)]));
}

/** SQL: a JSON object of names and expressions. */
export function jsonObject(entries: [name: string, expression: string][]): string {
  const pairs = entries.map(([name, expression]) => `${literal(name)}, ${expression}`);
  const parts: string[] = [];
  for (let from = 0; from < Math.max(pairs.length, 1); from += MAX_PAIRS) {
    parts.push(`jsonb_build_object(${pairs.slice(from, from + MAX_PAIRS).join(', ')})`);
  }
  return `(${parts.join(' || ')})`;
}

/**
 * SQL: the joins of a relation `alias`, with the columns of records, with the live parents that its rows name: `p0`, `p1`, …
 * By the view where names are no texts: row-level security keeps their comparison as text, which is not leakproof, from the index.
 */
export function liveParents({ links }: MirrorTable, sourceId: number, alias: string): string {
  const joins = links.map(
    ({ parentTable, parentView, by }, index) => `
      left join ${asKey(by) === '' ? parentTable : parentView} p${index} on p${index}.source_id = ${sourceId} and p${index}.deleted_at is null
            and p${index}.external_id = ${alias}.${by.column}${asKey(by)}`,
  );
  return joins.join('');
}
