import { CsvError, parse as parseTable } from 'csv-parse/sync';
import { parseExact, rawNumber } from '../platform/exact-json.js';
import { Refusal } from '../platform/refusal.js';
import { fieldNamed, namesLines } from './line-fields.js';

/** Fields by whatever names they have. They are gone through once: a body may hold half a million that nobody knows. */
export type SentFields = Iterable<[name: string, value: unknown]>;

/** A line as it was sent, or why it is none. */
export type SentLine = { fields: SentFields } | { fault: 'not_a_line' | 'wrong_number_of_cells' };

/** A claim as it was sent, of which nothing is known but its shape. */
export interface SentClaim {
  lines: SentLine[];
  /** What stands beside the lines. */
  fields: SentFields;
  /** The JSON pointer to the list of lines, or to the single line. */
  linesAt: string;
  /** Whether the pointer to a line says which one: not where the body is a single line. */
  isList: boolean;
}

/**
 * What is nested in a line takes up to a hundred times its bytes in memory, so there is no more of it than a claim of so
 * many lines can have a use for: three containers for each besides itself.
 */
const CONTAINERS_OF_A_LINE = 4;

/** A row of a table has some 200 bytes, its header fewer. */
const MAX_ROW_CHARACTERS = 64 * 1024;

/**
 * @param maxLines what is far beyond is not even parsed
 * @throws Refusal 400 for what is no JSON, 422 for JSON that cannot be a claim
 */
export function readJsonClaim(text: string, maxLines: number): SentClaim {
  if (countContainers(text) > CONTAINERS_OF_A_LINE * (maxLines + 1)) {
    const detail = `A claim has at most ${maxLines} lines, and no more lists and objects than those need.`;
    throw refusal('', 'too_many_lines', detail);
  }
  const body = parseJson(text);
  if (Array.isArray(body)) return { lines: linesOf(body, maxLines, ''), fields: [], linesAt: '', isList: true };
  if (!isObject(body)) throw notAClaim('', 'A claim is a list of lines, an object with lines, or a line.');
  const names = Object.keys(body).filter(namesLines);
  const [name] = names;
  const fields = fieldsOf(body);
  if (name === undefined) return { lines: [{ fields }], fields: [], linesAt: '', isList: false };
  const list = (body as Record<string, unknown>)[name];
  if (names.length > 1 || !Array.isArray(list)) throw notAClaim('/lines', 'The lines of a claim are one list.');
  return { lines: linesOf(list, maxLines, '/lines'), fields, linesAt: '/lines', isList: true };
}

/** Brackets within texts are counted too: nobody has so many of them. */
function countContainers(text: string): number {
  let count = 0;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit === 0x5b || unit === 0x7b) count += 1;
  }
  return count;
}

/**
 * Reads a table whose first row names the fields. Lines end in LF, CRLF or CR; rows without anything in them, as
 * spreadsheets leave them at the end, are no lines, and no pointer counts them.
 * @param maxLines what is beyond is not even parsed
 * @throws Refusal 400 for what is no CSV, 422 for more rows than there may be lines
 */
export function readCsvClaim(text: string, maxLines: number): SentClaim {
  const lines: SentLine[] = [];
  let header: TableHeader | null = null;
  eachRow(text, (cells) => {
    if (cells.every((cell) => cell.trim() === '')) return;
    if (header === null) header = { width: cells.length, columns: knownColumns(cells) };
    else if (lines.length === maxLines) throw tooManyLines(maxLines);
    else lines.push(lineOf(cells, header));
  });
  return { lines, fields: [], linesAt: '', isList: true };
}

interface TableHeader {
  width: number;
  columns: { name: string; at: number }[];
}

/**
 * The columns that are somebody's field, and of each field two at most, which say that it is there twice. Cells of all
 * others are dropped row by row: a table may have five million of them.
 */
function knownColumns(header: string[]): TableHeader['columns'] {
  const times = new Map<string | null, number>();
  return header.flatMap((name, at) => {
    const field = fieldNamed(name);
    times.set(field, (times.get(field) ?? 0) + 1);
    return field === null || (times.get(field) ?? 0) > 2 ? [] : [{ name, at }];
  });
}

function lineOf(cells: string[], { width, columns }: TableHeader): SentLine {
  if (cells.length !== width) return { fault: 'wrong_number_of_cells' };
  return { fields: columns.map(({ name, at }) => [name, cells[at]]) };
}

function parseJson(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    // Also if it nests so deep that it cannot be walked.
    throw new Refusal(400, 'malformed_json', 'The body is no well-formed JSON.');
  }
}

function eachRow(text: string, take: (cells: string[]) => void): void {
  try {
    parseTable(text, {
      bom: true,
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: MAX_ROW_CHARACTERS,
      on_record: (cells: string[]) => {
        take(cells);
        return null;
      },
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const detail =
      error.code === 'CSV_MAX_RECORD_SIZE'
        ? `A row has more than ${MAX_ROW_CHARACTERS} characters.`
        : 'A quote stands where RFC 4180 does not allow one, or is not closed.';
    throw new Refusal(400, 'malformed_csv', detail);
  }
}

function linesOf(list: unknown[], maxLines: number, linesAt: string): SentLine[] {
  if (list.length > maxLines) throw tooManyLines(maxLines, linesAt);
  return list.map((value) => (isObject(value) ? { fields: fieldsOf(value) } : { fault: 'not_a_line' }));
}

function* fieldsOf(object: object): SentFields {
  for (const name of Object.keys(object)) yield [name, (object as Record<string, unknown>)[name]];
}

/** An object of JSON. A number that a double does not hold is one of JavaScript's, but none of JSON's. */
function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && rawNumber(value) === null;
}

function notAClaim(pointer: string, detail: string): Refusal {
  return refusal(pointer, 'not_a_claim', detail);
}

function tooManyLines(maxLines: number, pointer = ''): Refusal {
  return refusal(pointer, 'too_many_lines', `A claim has at most ${maxLines} lines.`);
}

function refusal(pointer: string, code: string, detail: string): Refusal {
  return new Refusal(422, 'invalid_claim', detail, { errors: [{ pointer, code, detail }] });
}
