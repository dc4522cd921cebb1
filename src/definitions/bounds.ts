import { compareDecimals, parseDecimal } from '../values/money.js';
import { type ColumnType, Fault, numberLiteral } from './column-types.js';

/** Digits of a bound before and after the point: of any number that is read as a text. */
const MAX_DIGITS = 400;

/** The first day after those that a date or an instant can have: as an excluded bound it lets the last ones in. */
const DAY_AFTER_ALL = '10000-01-01';
const INSTANTS_AFTER_ALL = /^10000-01-01(T00:00:00(\.0{1,6})?Z)?$/;

/** Such a day, midnight, and a fraction. */
const MAX_INSTANT_CHARACTERS = 40;

/**
 * A bound of a range, as the type writes its values. It may lie beyond all of them: nothing else could be an excluded bound after
 * the greatest one.
 */
export function readBound(type: ColumnType, sent: string): string | Fault {
  if (type.name === 'date' && sent === DAY_AFTER_ALL) return sent;
  if (type.name === 'instant' && sent.length <= MAX_INSTANT_CHARACTERS && INSTANTS_AFTER_ALL.test(sent)) {
    return `${DAY_AFTER_ALL}T00:00:00.000Z`;
  }
  if (!isNumber(type)) return type.read(sent);
  const isWhole = type.name === 'integer';
  const number = parseDecimal(numberLiteral(sent) ?? '', MAX_DIGITS, isWhole ? 0 : MAX_DIGITS);
  return number ?? new Fault(isWhole ? 'must be a whole number' : 'must be a decimal number');
}

/** Compares two values or bounds, as they were read: numbers, days, or instants. Less than zero: the first one comes first. */
export function compareValues(type: ColumnType, one: string, other: string): number {
  if (isNumber(type)) return compareDecimals(one, other);
  // A year of five digits comes after those of four.
  const digits = one.indexOf('-') - other.indexOf('-');
  if (digits !== 0) return digits;
  // As text, in which an instant with the shorter fraction comes first.
  const [a, b] = [one.replace('Z', ''), other.replace('Z', '')];
  return a < b ? -1 : Number(a > b);
}

/** A bound as a number whose order is that of the values: instants and dates in microseconds since 1970. */
export function orderOf(type: ColumnType, bound: string): string {
  if (isNumber(type)) return bound;
  const [seconds = '', fraction = ''] = (type.name === 'date' ? `${bound}T00:00:00` : bound.replace('Z', '')).split(
    '.',
  );
  // JavaScript writes such a year with a sign and six digits.
  const time = Date.parse(`${seconds.replace(/^10000-/, '+010000-')}Z`);
  return String(BigInt(time) * 1000n + BigInt(fraction.padEnd(6, '0')));
}

function isNumber({ name }: ColumnType): boolean {
  return name !== 'date' && name !== 'instant';
}
