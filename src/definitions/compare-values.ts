import type { ColumnType } from './column-types.js';

/** Compares two values, as their type has read them: numbers, days, or instants. Less than zero: the first one comes first. */
export function compareValues({ name }: ColumnType, one: string, other: string): number {
  if (name === 'date' || name === 'instant') {
    // As text, in which an instant with the shorter fraction comes first.
    const [a, b] = [one.replace('Z', ''), other.replace('Z', '')];
    return a < b ? -1 : Number(a > b);
  }
  const [a, b] = [scaled(one), scaled(other)];
  return a < b ? -1 : Number(a > b);
}

/** A plain decimal of at most 38 digits after the point as a whole number. */
function scaled(decimal: string): bigint {
  const [whole = '', fraction = ''] = decimal.split('.');
  return BigInt(whole.replace('-', '') + fraction.padEnd(38, '0')) * (decimal.startsWith('-') ? -1n : 1n);
}
