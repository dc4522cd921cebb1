import type { Rail } from '../maker/sizes.js';
import { type Answer, array, badRequest, type Dialect, json } from './answer.js';
import type { DataFolder } from './data-folder.js';
import { readInstant } from './read-instant.js';
import type { SortedLines } from './sorted-lines.js';
import { idOf, timestampOf } from './windows.js';

const DEFAULT_LIMIT = 1_000;
const MAX_LIMIT = 10_000;

/** Ids of companies are whole numbers, whose order is that of the file. */
const COMPANY_ID = /^\d{1,15}$/;

/**
 * `paged`: bare lists, a page each, by what came last. The server remembers nothing. Rows of one time and id, that is, a
 * batch payment and copies of a row, are never torn apart, so a page may be longer than what was asked for.
 */
export function pagedDialect(data: DataFolder): Dialect {
  return (path, query) => {
    switch (path) {
      case '/ping':
        return json({ message: 'pong' });
      case '/companies':
        return withLimit(query, (limit) => companies(data.companies, limit, query.get('after-id')));
      case '/exchange-rates':
        return { status: 200, body: array(data.rates.read(0, data.rates.end), (line) => line) };
      case '/transactions/sepa':
        return withLimit(query, (limit) => transactions(data, 'sepa', limit, query));
      case '/transactions/swift':
        return withLimit(query, (limit) => transactions(data, 'swift', limit, query));
      default:
        return null;
    }
  };
}

function withLimit(query: URLSearchParams, answer: (limit: number) => Answer): Answer {
  const text = query.get('limit');
  if (text === null) return answer(DEFAULT_LIMIT);
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) return badRequest(`A limit is a whole number from 1 to ${MAX_LIMIT}.`);
  return answer(limit);
}

function companies(lines: SortedLines, limit: number, after: string | null): Answer {
  const id = after === null ? 0 : Number(COMPANY_ID.test(after) ? after : Number.NaN);
  if (Number.isNaN(id)) return badRequest('after-id is the id of a company.');
  const isBefore = (line: string) => Number(idOf(line)) <= id;
  return { status: 200, body: array(page(lines, limit, isBefore, idOf), company) };
}

function transactions(data: DataFolder, rail: Rail, limit: number, query: URLSearchParams): Answer {
  const [text, uuid] = [query.get('after-timestamp'), query.get('after-uuid')];
  const timestamp = text === null ? '' : readInstant(text);
  if (timestamp === null) return badRequest('after-timestamp is an instant, such as 2018-01-31T09:30:00.123456+00:00.');
  if (text === null && uuid !== null) return badRequest('after-uuid goes with after-timestamp.');
  const isBefore = (line: string) => {
    const at = timestampOf(line);
    return at < timestamp || (at === timestamp && (uuid === null || idOf(line) <= uuid));
  };
  const render = rail === 'sepa' ? sepaRow : swiftRow;
  return { status: 200, body: array(page(data[rail], limit, isBefore, idOf), render) };
}

/** At least `limit` lines after a place if there are so many, and those that belong together with the last of them. */
async function* page(
  lines: SortedLines,
  limit: number,
  isBefore: (line: string) => boolean,
  keyOf: (line: string) => string,
): AsyncGenerator<string[]> {
  let left = limit;
  let last = '';
  for await (const block of lines.read(await lines.find(isBefore), lines.end)) {
    let taken = Math.min(left, block.length);
    left -= taken;
    if (taken > 0) last = keyOf(block[taken - 1] as string);
    while (left === 0 && taken < block.length && keyOf(block[taken] as string) === last) taken++;
    if (taken > 0) yield block.slice(0, taken);
    if (taken < block.length) return;
  }
}

function sepaRow(line: string): string {
  const { id, payer_iban: payer, beneficiary_iban: receiver, amount, currency, timestamp } = JSON.parse(line);
  return JSON.stringify({ id, uuid: id, payer, receiver, amount, currency, timestamp: withOffset(timestamp) });
}

function swiftRow(line: string): string {
  const { id, payer_iban: sender, beneficiary_iban: beneficiary, amount, currency, timestamp } = JSON.parse(line);
  return JSON.stringify({ id, uuid: id, sender, beneficiary, amount, currency, timestamp: withOffset(timestamp) });
}

const withOffset = (timestamp: string) => `${timestamp.slice(0, -1)}+00:00`;

/** IBANs as Python prints a list of texts. */
function company(line: string): string {
  const { id, name, address, ibans, balance } = JSON.parse(line);
  const list = `[${ibans.map((iban: string) => `'${iban}'`).join(', ')}]`;
  return JSON.stringify({ id, name, address, ibans: list, balance });
}
