import type { Client } from 'pg';
import { type ColumnType, columnType, Fault } from '../../definitions/column-types.js';
import type { MirrorColumn, MirrorTable } from '../tables/mirror-table.js';
import type { FoundTable } from './found-table.js';
import { wantedIndexes } from './resource-ddl.js';
import type { StoredShape } from './table-plan.js';

/**
 * The fields with stored texts that are longer than they may be now, which an index over them may have no room for. They are
 * looked for where the definition has become narrower, and before an index is made: a start that failed at one has taken over the
 * definition already.
 */
export async function tooLongFields(
  client: Client,
  mirror: MirrorTable,
  found: FoundTable,
  stored: StoredShape | null,
): Promise<ReadonlySet<string>> {
  const missing = wantedIndexes(mirror).filter(({ name }) => found.indexes.get(name) !== true);
  const suspected = mirror.columns.filter((column) => {
    if (found.columns.get(column.column) !== column.type.sql || !isText(column.type)) return false;
    const isNarrower = mostCharacters(typeBefore(column, stored)) > mostCharacters(column.type);
    return isNarrower || missing.some(({ on }) => on.includes(column.column));
  });
  if (suspected.length === 0) return new Set();
  const isFound = suspected.map((column, index) => `bool_or(${isTooLong(column)}) as found${index}`);
  const { rows } = await client.query<Record<string, boolean | null>>(
    `select ${isFound.join(', ')} from ${mirror.table}`,
  );
  return new Set(suspected.filter((_, index) => rows[0]?.[`found${index}`] === true).map(({ field }) => field));
}

/** SQL: whether the value of a row is too long. @param value the column by default */
export function isTooLong({ column, type }: MirrorColumn, value = column): string {
  return `char_length(${value}) > ${mostCharacters(type)}`;
}

function isText({ name }: ColumnType): boolean {
  return /^text(\(|$)/.test(name);
}

function mostCharacters(type: ColumnType | null): number {
  return type === null || !isText(type) ? 0 : Number(type.schema['maxLength']);
}

function typeBefore({ field }: MirrorColumn, stored: StoredShape | null): ColumnType | null {
  const fields = stored?.shape.fields ?? {};
  const type = Object.hasOwn(fields, field) ? columnType((fields[field] ?? '').replace(/ ?\?$/, '')) : null;
  return type instanceof Fault ? null : type;
}
