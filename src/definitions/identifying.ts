import { rawNumber } from '../values/exact-json.js';
import { MAX_DECIMAL_CHARACTERS, parseDecimal } from '../values/money.js';
import { type ColumnType, Fault, readText } from './column-types.js';

/**
 * A text that names a record: it is not empty, and an integer is taken as its digits.
 * @param keyCharacters how many characters it may have at most, if its own limit is not lower
 */
export function identifying(type: ColumnType, keyCharacters: number): ColumnType {
  if (!type.name.startsWith('text')) return type;
  const most = Math.min(Number(type.schema['maxLength'] ?? keyCharacters), keyCharacters);
  const read = (value: unknown): string | Fault => {
    if (typeof value === 'string') return value === '' ? new Fault('must not be empty') : readText(value, most);
    const literal = rawNumber(value) ?? (typeof value === 'number' ? String(value) : '');
    if (literal.length > MAX_DECIMAL_CHARACTERS) return readText(literal, most);
    // Numbers from 10^21 on are written with an exponent by JavaScript.
    const digits = /^-?\d+$/.test(literal) ? literal : parseDecimal(literal, most, 0);
    return digits === null ? new Fault('must be a string or an integer') : readText(digits, most);
  };
  return { ...type, read };
}
