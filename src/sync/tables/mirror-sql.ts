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
