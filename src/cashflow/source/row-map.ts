import { isUtf8 } from 'node:buffer';
import { parseInstant } from '../../values/calendar.js';
import { parseExact, rawNumber } from '../../values/exact-json.js';
import type { FieldKind, FieldPlace, Form } from './dialects.js';
import { momentOf } from './moments.js';
import { readBraces, readPythonList } from './text-lists.js';

/** A row of a source as a record of ours. */
export interface MappedRow {
  /** One line of NDJSON, with its line feed. */
  line: string;
  /** The value of its instant, as {@link momentOf} writes it; null if it has none that can be read. */
  at: string | null;
  /** The values by which the next page is asked for, as the source wrote them; null if one is missing. */
  place: string[] | null;
  currency: string | null;
}

/** What a value that is missing, or is not what its field holds, is read as. */
const UNREADABLE = Symbol('unreadable');

/** Makes records of the rows of one form. A loop over the fields of the table: no code knows a dialect. */
export class RowMap {
  private readonly fields: [string, FieldPlace][];
  private readonly places: string[];

  /** @param maxRawCharacters how much of the text of a row that cannot be read is told */
  constructor(
    { fields, paging }: Form,
    private readonly maxRawCharacters: number,
  ) {
    this.fields = Object.entries(fields);
    this.places = paging.by === 'page' ? paging.after.map(([, name]) => name) : [];
  }

  /**
   * Never fails: a row that cannot be read becomes a record that is rejected for what it lacks, and holds the row's text as
   * `raw`.
   */
  map(bytes: Buffer): MappedRow {
    const row = parseRow(bytes);
    const record: Record<string, unknown> = {};
    let isReadable = row !== null;
    let at: string | null = null;
    for (const [name, { path, kind, isOptional }] of this.fields) {
      const sent = row === null ? undefined : valueAt(row, path);
      const isAbsent = sent === undefined || sent === null || (isOptional && sent === '');
      if (isAbsent) {
        isReadable &&= isOptional === true;
        continue;
      }
      const value = READERS[kind](sent);
      if (value === UNREADABLE) isReadable = false;
      else record[name] = value;
      if (kind === 'instant' && typeof value === 'string') at = momentOf(value);
    }
    if (!isReadable) record['raw'] = bytes.toString().slice(0, this.maxRawCharacters);
    const { currency } = record;
    return {
      line: `${JSON.stringify(record)}\n`,
      at,
      place: row === null ? null : this.placeOf(row),
      currency: typeof currency === 'string' ? currency : null,
    };
  }

  private placeOf(row: Record<string, unknown>): string[] | null {
    const values = this.places.map((name) => READERS.text(row[name]));
    return values.every((value) => typeof value === 'string') ? values : null;
  }
}

/** @returns null unless it is a JSON object in UTF-8 */
function parseRow(bytes: Buffer): Record<string, unknown> | null {
  if (!isUtf8(bytes)) return null;
  try {
    const row = parseExact(bytes.toString());
    const isObject = typeof row === 'object' && row !== null && !Array.isArray(row) && rawNumber(row) === null;
    return isObject ? (row as Record<string, unknown>) : null;
  } catch {
    // Not JSON, or nested thousands of levels deep.
    return null;
  }
}

function valueAt(row: Record<string, unknown>, [outer, inner]: FieldPlace['path']): unknown {
  const value = Object.hasOwn(row, outer) ? row[outer] : undefined;
  if (inner === undefined || typeof value !== 'object' || value === null)
    return inner === undefined ? value : undefined;
  return Object.hasOwn(value, inner) ? (value as Record<string, unknown>)[inner] : undefined;
}

const READERS: Readonly<Record<FieldKind, (sent: unknown) => unknown>> = {
  text: (sent) => {
    if (typeof sent === 'string') return sent;
    if (typeof sent === 'number') return String(sent);
    return rawNumber(sent) ?? UNREADABLE;
  },
  // Numbers leave as they were written, also those that a double cannot hold.
  number: (sent) =>
    typeof sent === 'number' || typeof sent === 'string' || rawNumber(sent) !== null ? sent : UNREADABLE,
  instant: (sent) => (typeof sent === 'string' ? (parseInstant(sent) ?? UNREADABLE) : UNREADABLE),
  list: (sent) => (isListOfTexts(sent) ? sent : UNREADABLE),
  'list in braces': (sent) => (typeof sent === 'string' ? (readBraces(sent) ?? UNREADABLE) : UNREADABLE),
  'list of Python': (sent) => (typeof sent === 'string' ? (readPythonList(sent) ?? UNREADABLE) : UNREADABLE),
};

function isListOfTexts(sent: unknown): boolean {
  return Array.isArray(sent) && sent.every((item) => typeof item === 'string');
}
