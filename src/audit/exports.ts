import { stringify } from 'csv-stringify';
import type { Request, Response } from 'express';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { recordOutcome } from './audited.js';
import { linkNextPage, type Page } from '../http/paging.js';

/** All items of a list, as a stream. */
export interface Export<T> {
  all: () => AsyncIterable<T>;
  csvColumns: string[];
  /** The item's cells by column: text, numbers or null. */
  toCells: (item: T) => Record<string, unknown>;
}

/** A list that callers can get by the page or as a whole. */
export interface ExportableList<T> extends Export<T> {
  page: () => Promise<Page<T>>;
  /** Called before a stream begins, and throws a refusal: once it has begun, an error could only close the connection. */
  mayBegin?: () => Promise<void>;
}

type StreamType = 'application/x-ndjson' | 'text/csv';

/** Answers with a page as JSON, or with the whole list as NDJSON or CSV if the caller's `Accept` prefers that. */
export async function answerPageOrExport<T>(
  request: Request,
  response: Response,
  list: ExportableList<T>,
): Promise<void> {
  const type = request.accepts(['application/json', 'application/x-ndjson', 'text/csv']);
  response.vary('Accept');
  if (type !== 'application/x-ndjson' && type !== 'text/csv') {
    const page = await list.page();
    linkNextPage(request, response, page);
    await recordOutcome(response, { items: page.items.length });
    response.json(page);
    return;
  }
  await list.mayBegin?.();
  await sendAll(response, type, list);
}

/** Answers with a whole list, as NDJSON unless the caller's `Accept` prefers CSV. All refusals must come before. */
export async function answerExport<T>(request: Request, response: Response, list: Export<T>): Promise<void> {
  response.vary('Accept');
  const type = request.accepts(['application/x-ndjson', 'text/csv']);
  await sendAll(response, type === 'text/csv' ? type : 'application/x-ndjson', list);
}

async function sendAll<T>(response: Response, type: StreamType, list: Export<T>): Promise<void> {
  await recordOutcome(response, { isExport: true });
  response.type(type);
  if (type === 'application/x-ndjson') await pipeline(Readable.from(lines(list)), response);
  else {
    const text = stringify({ header: true, cast: { string: escapeFormula }, columns: list.csvColumns });
    await pipeline(Readable.from(cells(list)), text, response);
  }
}

/** What a formula may begin with, by OWASP's list of CSV injection, and the full-width forms, which some programs take for them. */
const FORMULA = /^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/;

/** A negative amount, which is none. */
const NUMBER = /^-\d{1,40}(\.\d{1,40})?$/;

/** A cell that a spreadsheet might take for a formula is prefixed with an apostrophe. */
function escapeFormula(text: string): string {
  const isFormula = FORMULA.test(text) && !(text.length < 100 && NUMBER.test(text));
  return isFormula ? `'${text}` : text;
}

async function* lines<T>(list: Export<T>): AsyncGenerator<string> {
  for await (const item of list.all()) yield `${JSON.stringify(item)}\n`;
}

async function* cells<T>(list: Export<T>): AsyncGenerator<Record<string, unknown>> {
  for await (const item of list.all()) yield list.toCells(item);
}
