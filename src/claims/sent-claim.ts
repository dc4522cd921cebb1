import { CsvError, parse as parseTable } from 'csv-parse/sync';
import { Refusal } from '../platform/refusal.js';
import { parseExact, rawNumber } from '../platform/exact-json.js';
import { namesLines } from './line-fields.js';

/** A line as it was sent: its fields by whatever names they have, or why it is none. */
export type SentLine = { fields: [name: string, value: unknown][] } | { fault: 'not_a_line' | 'wrong_number_of_cells' };

/** A claim as it was sent, of which nothing is known but its shape. */
export interface SentClaim {
  lines: SentLine[];
  /** What stands beside the lines. */
  fields: [name: string, value: unknown][];
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
  if (countContainers(text) > CONTAINERS_OF_A_LINE * (maxLines + 1)) throw tooManyLines(maxLines);
  const body = parseJson(text);
  if (Array.isArray(body)) return { lines: linesOf(body, maxLines, ''), fields: [], linesAt: '', isList: true };
  if (!isObject(body)) throw notAClaim('', 'A claim is a list of lines, an object with lines, or a line.');
  const entries = Object.entries(body);
  const lists = entries.filter(([name]) => namesLines(name));
  const [list] = lists;
  if (!list) return { lines: [{ fields: entries }], fields: [], linesAt: '', isList: false };
  if (lists.length > 1 || !Array.isArray(list[1])) throw notAClaim('/lines', 'The lines of a claim are one list.');
  const fields = entries.filter(([name]) => !namesLines(name));
  return { lines: linesOf(list[1], maxLines, '/lines'), fields, linesAt: '/lines', isList: true };
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
 * spreadsheets leave them at the end, are no lines.
 * @param maxLines what is beyond is not even parsed
 * @throws Refusal 400 for what is no CSV, 422 for more rows than there may be lines
 */
export function readCsvClaim(text: string, maxLines: number): SentClaim {
  const table = parseCsv(text, maxLines + 2);
  if (table.length > maxLines + 1) throw tooManyLines(maxLines);
  const [header = [], ...rows] = table.filter((cells) => cells.some((cell) => cell.trim() !== ''));
  const lines = rows.map((cells): SentLine => {
    if (cells.length !== header.length) return { fault: 'wrong_number_of_cells' };
    return { fields: cells.map((cell, column) => [header[column] ?? '', cell]) };
  });
  return { lines, fields: [], linesAt: '', isList: true };
}

function parseJson(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    // Also if it nests so deep that it cannot be walked.
    throw new Refusal(400, 'malformed_json', 'The body is no well-formed JSON.');
  }
}

function parseCsv(text: string, maxRows: number): string[][] {
  try {
    return parseTable(text, {
      bom: true,
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: MAX_ROW_CHARACTERS,
      to: maxRows,
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
  return list.map((value) => (isObject(value) ? { fields: Object.entries(value) } : { fault: 'not_a_line' }));
}

/** An object of JSON. A number that a double does not hold is one of JavaScript's, but none of JSON's. */
function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && rawNumber(value) === null;
}

function notAClaim(pointer: string, detail: string): Refusal {
  return new Refusal(422, 'invalid_claim', detail, { errors: [{ pointer, code: 'not_a_claim', detail }] });
}

/** More lines than there may be: 422. */
function tooManyLines(maxLines: number, pointer = ''): Refusal {
  const detail = `A claim has at most ${maxLines} lines.`;
  return new Refusal(422, 'invalid_claim', detail, { errors: [{ pointer, code: 'too_many_lines', detail }] });
}
