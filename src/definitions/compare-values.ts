import { compareDecimals } from '../values/money.js';
import type { ColumnType } from './column-types.js';

/** Compares two values, as their type has read them: numbers, days, or instants. Less than zero: the first one comes first. */
export function compareValues({ name }: ColumnType, one: string, other: string): number {
  if (name !== 'date' && name !== 'instant') return compareDecimals(one, other);
  // As text, in which an instant with the shorter fraction comes first.
  const [a, b] = [one.replace('Z', ''), other.replace('Z', '')];
  return a < b ? -1 : Number(a > b);
}
