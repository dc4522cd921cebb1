import { formatInstant, isCalendarDay, parseInstant } from '../values/calendar.js';
import { parseExact, rawNumber } from '../values/exact-json.js';
import { formatDecimal, parseDecimal } from '../values/money.js';
import { repeatedNames } from '../values/repeated-names.js';
import { isLongerThan, isStorable } from '../values/text.js';
import { faultOfJson, isJsonNull } from './json-faults.js';

/** Why a value cannot be mirrored, as the end of a sentence that begins with the field: `must be true or false`. */
export class Fault {
  constructor(readonly detail: string) {}
}

/** What a kind of value is, from a record to PostgreSQL and back. Every value is kept exactly, or is a fault. */
export interface ColumnType {
  /** As definitions write it, such as `decimal(15,4)`. */
  readonly name: string;
  /** The type of the column, with its collation. */
  readonly sql: string;
  /** What it is good for in a definition. */
  readonly uses: ReadonlySet<Use>;
  /** Its schema in OpenAPI, as it leaves. */
  readonly schema: Record<string, unknown>;
  /** A value of it, for the documentation. */
  readonly example: unknown;
  /** A value of a record, neither null nor absent, as the text that COPY carries. The same values have the same text. */
  readonly read: (value: unknown) => string | Fault;
  /** The same for a cell of a CSV table, where that is not the value itself. */
  readonly readCell?: (cell: string) => string | Fault;
  /** Whether a cell that is not empty says null. */
  readonly isNullCell?: (cell: string) => boolean;
  /** A stored value as it leaves. @param stored what `to_jsonb` makes of the column, as `parseExact` reads it */
  readonly show: (stored: unknown) => unknown;
}

/** What a type may serve for: as a part of a key, a parent's name, a list's filter, range, search or sort, a sum, a window. */
export type Use = 'key' | 'parent' | 'filter' | 'range' | 'search' | 'sort' | 'sum' | 'window';

/** Characters (code points) of a text without a limit of its own, and the highest limit that one may have. */
const TEXT_CHARACTERS = 250;
const MAX_TEXT_CHARACTERS = 10_000;

const MAX_LIST_ITEMS = 1_000;

/** Digits of a decimal in all. */
const MAX_PRECISION = 38;

const INT64 = { least: -(2n ** 63n), most: 2n ** 63n - 1n };

/** Digits of a 64-bit integer. */
const INTEGER_DIGITS = 19;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const UUID_CHARACTERS = 36;

const same = (stored: unknown): unknown => stored;

function text(most: number): ColumnType {
  return {
    name: most === TEXT_CHARACTERS ? 'text' : `text(${most})`,
    // In the order of code points, and the same as that of external ids, so that a parent is found by them.
    sql: 'text collate "C"',
    // A cursor has to hold what rows are sorted by, and an address the cursor.
    uses: new Set(['key', 'parent', 'filter', 'search', ...(most <= TEXT_CHARACTERS ? (['sort'] as const) : [])]),
    schema: { type: 'string', maxLength: most },
    example: 'A text'.slice(0, most),
    read: (value) => (typeof value === 'string' ? readText(value, most) : new Fault('must be a string')),
    show: same,
  };
}

/** A text of up to `most` characters that PostgreSQL can store. */
export function readText(value: string, most: number): string | Fault {
  if (isLongerThan(most, value)) return new Fault(`must have at most ${most} characters`);
  return isStorable(value) ? value : new Fault('contains a NUL or an unpaired surrogate');
}

export const INTEGER: ColumnType = {
  name: 'integer',
  sql: 'bigint',
  uses: new Set(['key', 'parent', 'filter', 'range', 'sort', 'sum', 'window']),
  schema: { oneOf: [{ type: 'integer' }, { type: 'string', pattern: String.raw`^-?\d+$` }] },
  example: 12,
  read: (value) => {
    const literal = numberLiteral(value);
    const digits = literal === null ? null : parseDecimal(literal, INTEGER_DIGITS, 0);
    if (digits === null) return new Fault('must be a whole number of 64 bits');
    const exact = BigInt(digits);
    return exact < INT64.least || exact > INT64.most ? new Fault('must be a whole number of 64 bits') : digits;
  },
  // Beyond 2^53 − 1 other programs' numbers are not exact either.
  show: (stored) => (Number.isSafeInteger(stored) ? stored : parseDecimal(literalOf(stored), Infinity, 0)),
};

function decimal(precision: number, scale: number): ColumnType {
  const whole = precision - scale;
  return {
    name: `decimal(${precision},${scale})`,
    sql: `numeric(${precision},${scale})`,
    uses: new Set(['key', 'filter', 'range', 'sort', 'sum', 'window']),
    schema: { type: 'string', pattern: String.raw`^-?\d+(\.\d+)?$` },
    example: formatDecimal((whole === 0 ? '0.46' : '4.46').slice(0, scale === 0 ? 1 : 2 + scale), Math.min(scale, 2)),
    read: (value) => {
      const literal = numberLiteral(value);
      if (literal === null) return new Fault('must be a decimal number');
      return (
        parseDecimal(literal, whole, scale) ??
        new Fault(`must have at most ${whole} digits before and ${scale} after the point`)
      );
    },
    // Also of a sum, and of a wider type that another server has applied already.
    show: (stored) => formatDecimal(parseDecimal(literalOf(stored), Infinity, Infinity) ?? '', Math.min(scale, 2)),
  };
}

/** A JSON number as it was sent, or a text that is a plain decimal. */
export function numberLiteral(value: unknown): string | null {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return /^-?\d{1,400}(\.\d{1,400})?$/.test(value) ? value : null;
  return rawNumber(value);
}

function literalOf(stored: unknown): string {
  return rawNumber(stored) ?? String(stored);
}

const boolean: ColumnType = {
  name: 'boolean',
  sql: 'boolean',
  uses: new Set(['filter', 'sort']),
  schema: { type: 'boolean' },
  example: true,
  read: (value) => (value === true || value === false ? String(value) : new Fault('must be true or false')),
  readCell: (cell) =>
    /^(true|false)$/i.test(cell.slice(0, 6)) ? cell.toLowerCase() : new Fault('must be true or false'),
  show: same,
};

const date: ColumnType = {
  name: 'date',
  sql: 'date',
  uses: new Set(['key', 'filter', 'range', 'sort', 'window']),
  schema: { type: 'string', format: 'date' },
  example: '2026-11-21',
  read: (value) =>
    typeof value === 'string' && isCalendarDay(value) ? value : new Fault('must be a calendar day as YYYY-MM-DD'),
  show: same,
};

const instant: ColumnType = {
  name: 'instant',
  sql: 'timestamp with time zone',
  uses: new Set(['key', 'filter', 'range', 'sort', 'window']),
  schema: { type: 'string', format: 'date-time' },
  example: '2026-11-21T10:00:00.000Z',
  read: (value) =>
    (typeof value === 'string' ? parseInstant(value) : null) ??
    new Fault('must be an instant such as 2026-11-21T10:00:00Z, no finer than a microsecond'),
  // Sessions are in UTC: such as `2026-11-21T10:00:00.25+00:00`.
  show: (stored) => {
    const [seconds = '', fraction = ''] = String(stored).replace('+00:00', '').split('.');
    return formatInstant(seconds, fraction);
  },
};

const uuid: ColumnType = {
  name: 'uuid',
  sql: 'uuid',
  uses: new Set(['key', 'parent', 'filter', 'sort']),
  schema: { type: 'string', format: 'uuid' },
  example: '0193de4c-5b6a-7c21-9f60-0f3a1de0a8c2',
  read: (value) =>
    typeof value === 'string' && value.length === UUID_CHARACTERS && UUID.test(value)
      ? value.toLowerCase()
      : new Fault('must be a UUID'),
  show: same,
};

/** Any JSON but null. Two values are the same if PostgreSQL's jsonb says so: the order of names does not count. */
const json: ColumnType = {
  name: 'json',
  sql: 'jsonb',
  uses: new Set(),
  schema: {},
  example: { a: 1 },
  read: (value) => {
    const fault = faultOfJson(value);
    return fault === null ? JSON.stringify(value) : new Fault(fault);
  },
  readCell: (cell) => fromCell(json, cell),
  isNullCell: isJsonNull,
  show: same,
};

const textList: ColumnType = {
  name: 'text[]',
  sql: 'text[] collate "C"',
  uses: new Set(),
  schema: { type: 'array', items: { type: 'string' } },
  example: ['a', 'b'],
  read: (value) => {
    if (!Array.isArray(value)) return new Fault('must be a list of strings');
    if (value.length > MAX_LIST_ITEMS) return new Fault(`must have at most ${MAX_LIST_ITEMS} items`);
    const items: string[] = [];
    for (const item of value as unknown[]) {
      const read = typeof item === 'string' ? readText(item, TEXT_CHARACTERS) : new Fault('must be strings');
      if (read instanceof Fault) {
        return new Fault(`is a list whose items ${read.detail.replace(/^contains/, 'contain')}`);
      }
      items.push(`"${read.replace(/["\\]/g, String.raw`\$&`)}"`);
    }
    return `{${items.join(',')}}`;
  },
  readCell: (cell) => fromCell(textList, cell),
  isNullCell: isJsonNull,
  show: same,
};

function fromCell(type: ColumnType, cell: string): string | Fault {
  try {
    const value = parseExact(cell);
    if (value === null) return new Fault('must not be null');
    return repeatedNames(cell, [value]).size > 0 ? new Fault('has a name more than once') : type.read(value);
  } catch {
    return new Fault('must be JSON');
  }
}

const PLAIN_TYPES = [INTEGER, boolean, date, instant, uuid, json, textList, text(TEXT_CHARACTERS)];

/** The type that a definition names, or what is wrong with the name. */
export function columnType(name: string): ColumnType | Fault {
  const plain = PLAIN_TYPES.find((type) => type.name === name);
  if (plain) return plain;
  const sized = name.length > 20 ? null : /^(text|decimal) ?\( ?(\d{1,5}) ?(?:, ?(\d{1,3}) ?)?\)$/.exec(name);
  if (!sized) return new Fault(`is not a type; there are ${TYPE_NAMES}`);
  const [size, scale] = [Number(sized[2]), sized[3] === undefined ? null : Number(sized[3])];
  if (sized[1] === 'text') {
    return scale === null && size >= 1 && size <= MAX_TEXT_CHARACTERS
      ? text(size)
      : new Fault(`must be text(n) with n from 1 to ${MAX_TEXT_CHARACTERS}, such as text(40)`);
  }
  return scale !== null && size >= 1 && size <= MAX_PRECISION && scale <= size
    ? decimal(size, scale)
    : new Fault(`must be decimal(p,s) with p from 1 to ${MAX_PRECISION} and s from 0 to p, such as decimal(15,4)`);
}

const TYPE_NAMES = 'text, text(n), integer, decimal(p,s), boolean, date, instant, uuid, json and text[]';
