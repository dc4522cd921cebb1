import { CsvError, parse as parseTable } from 'csv-parse/sync';
import { parseExact, rawNumber } from '../values/exact-json.js';
import { Refusal } from '../http/refusal.js';
import { fieldNamed, namesLines } from './line-fields.js';

/** Fields under the names they were sent with. They are iterated once: a body may have half a million unknown fields. */
export type SentFields = Iterable<[name: string, value: unknown]>;

/** A line as it was sent, or the reason why it is not a line. */
export type SentLine = { fields: SentFields } | { fault: 'not_a_line' | 'wrong_number_of_cells' };

/** A claim as it was sent. Its shape is known to be valid, its fields are not. */
export interface SentClaim {
  lines: SentLine[];
  /** The fields next to the lines. */
  fields: SentFields;
  /** The JSON pointer to the list of lines, or to the single line. */
  linesAt: string;
  /** Whether a pointer to a line contains its index. False if the body is a single line. */
  isList: boolean;
}

/**
 * Objects and lists allowed per line: the line and three more. Nested ones take up to a hundred times their bytes in memory,
 * so a body may not have many more than its lines need.
 */
const CONTAINERS_OF_A_LINE = 4;

/** A usual row of a table has about 200 bytes, its header fewer. */
const MAX_ROW_CHARACTERS = 64 * 1024;

/**
 * Reads a claim from JSON.
 * @param maxLines a body with far more objects than this is refused without parsing it
 * @throws Refusal 400 for invalid JSON, 422 for JSON that cannot be a claim
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

/** Counts brackets and braces, also those within strings: a real claim has few of them. */
function countContainers(text: string): number {
  let count = 0;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit === 0x5b || unit === 0x7b) count += 1;
  }
  return count;
}

/**
 * Reads a claim from a CSV table whose first row names the fields. Rows end in LF, CRLF or CR. Empty rows, as spreadsheets
 * leave them at the end, are skipped, and pointers do not count them.
 * @param maxLines further rows are refused without parsing them
 * @throws Refusal 400 for invalid CSV, 422 for more rows than a claim may have lines
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
 * Finds the columns of known fields, at most two of each: the second one is enough to report a duplicate. Cells of all other
 * columns are dropped row by row, since a table may have five million of them.
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
    // Nesting that is too deep for the parser ends here, too.
    throw new Refusal(400, 'malformed_json', 'The body is not well-formed JSON.');
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
        : 'A quote is where RFC 4180 does not allow one, or is not closed.';
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

/** Whether a value is a JSON object. A number that a double cannot hold is parsed to a JavaScript object, but is not one. */
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
