import { type ColumnType, columnType, Fault } from './column-types.js';

/** What YAML makes of `{ a: decimal(15,4) }`: the value `decimal(15` of `a`, and a name `4)` without a value. */
const CUT_TYPE = /^decimal ?\( ?\d{1,5} ?$/;
const REST_OF_TYPE = /^\d{1,5} ?\) ?\??$/;
const MAX_CHARACTERS = 20;

/** The type of a field as a definition has it, without its `?`, or what is wrong with it. */
export function writtenType(written: unknown): ColumnType | Fault {
  if (typeof written !== 'string') return new Fault('must have a type, such as text');
  const isCut = written.length <= MAX_CHARACTERS && CUT_TYPE.test(written);
  return isCut
    ? new Fault('is cut at its comma: within { } a type with a comma needs quotes, such as "decimal(15,4)"')
    : columnType(written);
}

/** Whether a field is only what follows the comma of such a type. */
export function isRestOfType(name: string, written: unknown): boolean {
  return written === null && name.length <= MAX_CHARACTERS && REST_OF_TYPE.test(name);
}
