import { isLongerThan } from '../values/text.js';
import { Fault } from './column-types.js';

/** Characters of an external id that is made of several values. */
const MAX_CHARACTERS = 1_000;

/** Of any external id, in UTF-8: PostgreSQL's indexes take little more. */
export const MAX_EXTERNAL_ID_BYTES = 2_500;

const UNKNOWN = new Fault('cannot be told');

/**
 * The external id of a record: the value of its key; of several values, in their order, joined by `|`, with `\` before each
 * `|` and `\` in them, so that no two keys have the same.
 * @param values the texts of the key's fields; null for one that cannot be read
 */
export function externalIdOf(values: (string | null)[]): string | Fault {
  const [first] = values;
  if (first === undefined || values.includes(null)) return UNKNOWN;
  const joined =
    values.length === 1 ? first : values.map((value) => value?.replace(/[\\|]/g, String.raw`\$&`)).join('|');
  if (joined === null) return UNKNOWN;
  if (isLongerThan(MAX_CHARACTERS, joined)) return new Fault(`must have at most ${MAX_CHARACTERS} characters`);
  const isShort = 3 * joined.length <= MAX_EXTERNAL_ID_BYTES || Buffer.byteLength(joined) <= MAX_EXTERNAL_ID_BYTES;
  return isShort ? joined : new Fault(`must have at most ${MAX_EXTERNAL_ID_BYTES} bytes in UTF-8`);
}
