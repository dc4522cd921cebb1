import type { ColumnType } from '../../definitions/column-types.js';

/** Characters of a UUID as text. */
const UUID_CHARACTERS = 36;

/**
 * Whether every value of a column's type is one of the wanted type too, and reads the same: decimals with more digits on either
 * side of the point, and UUIDs as texts.
 * @param found the column's type in SQL, as definitions have it
 */
export function isWider(found: string, wanted: ColumnType): boolean {
  if (found === 'uuid') {
    return /^text(\(|$)/.test(wanted.name) && Number(wanted.schema['maxLength']) >= UUID_CHARACTERS;
  }
  const [before, after] = [digitsOf(found), digitsOf(wanted.sql)];
  return before !== null && after !== null && before.whole <= after.whole && before.scale <= after.scale;
}

/** The digits before and after the point that a decimal may have. */
function digitsOf(sql: string): { whole: number; scale: number } | null {
  const [, precision, scale] = /^numeric\((\d{1,3}),(\d{1,3})\)$/.exec(sql) ?? [];
  return precision === undefined || scale === undefined
    ? null
    : { whole: Number(precision) - Number(scale), scale: Number(scale) };
}
