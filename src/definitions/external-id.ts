import { isLongerThan } from '../values/text.js';
import { Fault } from './column-types.js';

/** Characters of an external id that is made of several values. */
const MAX_CHARACTERS = 1_000;

/** Of any external id, in UTF-8: PostgreSQL's indexes take little more. */
export const MAX_EXTERNAL_ID_BYTES = 2_500;

const UNKNOWN = new Fault('cannot be told');

/** A part of a key of several fields that may be null and is. */
export const ABSENT: unique symbol = Symbol('absent');

/** How it is written: a `\` comes before nothing but `|` and `\` otherwise. */
const ABSENT_TEXT = String.raw`\N`;

/**
 * The external id of a record: the value of its key; of several values, in their order, joined by `|`, with `\` before each
 * `|` and `\` in them, and `\N` for one that is absent, so that no two keys have the same.
 * @param values the texts of the key's fields; null for one that cannot be read
 */
export function externalIdOf(values: (string | null | typeof ABSENT)[]): string | Fault {
  const [first] = values;
  if (first === undefined || first === ABSENT || values.includes(null)) return UNKNOWN;
  const joined = values.length === 1 ? first : values.map(partOf).join('|');
  if (joined === null) return UNKNOWN;
  if (isLongerThan(MAX_CHARACTERS, joined)) return new Fault(`must have at most ${MAX_CHARACTERS} characters`);
  const isShort = 3 * joined.length <= MAX_EXTERNAL_ID_BYTES || Buffer.byteLength(joined) <= MAX_EXTERNAL_ID_BYTES;
  return isShort ? joined : new Fault(`must have at most ${MAX_EXTERNAL_ID_BYTES} bytes in UTF-8`);
}

function partOf(value: string | null | typeof ABSENT): string {
  if (value === ABSENT) return ABSENT_TEXT;
  const text = value ?? '';
  // Hardly any has one of them: looking for them costs a seventh of replacing none.
  return text.includes('|') || text.includes('\\') ? text.replace(/[\\|]/g, String.raw`\$&`) : text;
}
