import { rawNumber } from '../values/exact-json.js';
import { isStorable } from '../values/text.js';

/** Beyond this a number is nobody's measurement; PostgreSQL would write all of its digits. */
const MAX_NUMBER_CHARACTERS = 400;
const MAX_EXPONENT = 400;

/**
 * Lists and objects around a value. PostgreSQL reads them, and JSON.stringify writes them, by recursion. Records in JSON are
 * bounded when they are read (MAX_RECORD_DEPTH, at most as many), but the cells of a CSV table are only text there.
 */
const MAX_DEPTH = 1_000;

/** Why PostgreSQL's jsonb could not keep a JSON value exactly, or null if it can. Goes down level by level, without recursion. */
export function faultOfJson(value: unknown): string | null {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH) return `has more than ${MAX_DEPTH} lists and objects within each other`;
    const inside: unknown[] = [];
    for (const each of level) {
      const fault = faultOfOne(each, inside);
      if (fault !== null) return fault;
    }
    level = inside;
  }
  return null;
}

/** Looks at one value alone, and adds those that it contains to `inside`. */
function faultOfOne(value: unknown, inside: unknown[]): string | null {
  const literal = rawNumber(value);
  if (literal !== null) return isStorableNumber(literal) ? null : 'contains a number that is too large or too long';
  if (typeof value === 'string') return isStorable(value) ? null : 'contains a NUL or an unpaired surrogate';
  if (typeof value !== 'object' || value === null) return null;
  if (!Array.isArray(value) && !Object.keys(value).every(isStorable)) return 'contains a NUL or an unpaired surrogate';
  for (const item of Object.values(value)) inside.push(item);
  return null;
}

function isStorableNumber(literal: string): boolean {
  if (literal.length > MAX_NUMBER_CHARACTERS) return false;
  const exponent = /[eE]([+-]?\d+)$/.exec(literal)?.[1] ?? '0';
  return Math.abs(Number(exponent)) <= MAX_EXPONENT;
}

/** Whether a cell is the JSON text of null, which may have white space around it. */
export function isJsonNull(cell: string): boolean {
  return cell.length < 100 && cell.trim() === 'null';
}
