import { stringify } from 'csv-stringify';
import type { Request, Response } from 'express';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { recordOutcome } from './audited.js';
import { linkNextPage, type Page } from '../http/paging.js';

/** A list that callers can get by the page or as a whole. */
export interface ExportableList<T> {
  page: () => Promise<Page<T>>;
  /** Called before a stream begins, and throws a refusal: once it has begun, an error could only close the connection. */
  mayBegin?: () => Promise<void>;
  all: () => AsyncIterable<T>;
  csvColumns: string[];
  /** The item's cells by column: text, numbers or null. */
  toCells: (item: T) => Record<string, unknown>;
}

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
  await recordOutcome(response, { isExport: true });
  response.type(type);
  if (type === 'application/x-ndjson') await pipeline(Readable.from(lines(list)), response);
  else {
    const text = stringify({
      header: true,
      escape_formulas: true,
      cast: { string: markLineFeed },
      columns: list.csvColumns,
    });
    await pipeline(Readable.from(cells(list)), text, response);
  }
}

/**
 * A cell that a spreadsheet might take for a formula is prefixed with an apostrophe. `escape_formulas` does so for `=`,
 * `+`, `-`, `@`, their full-width forms, tab and CR; this adds LF, which OWASP's list has besides.
 */
function markLineFeed(text: string): string {
  return text.startsWith('\n') ? `'${text}` : text;
}

async function* lines<T>(list: ExportableList<T>): AsyncGenerator<string> {
  for await (const item of list.all()) yield `${JSON.stringify(item)}\n`;
}

async function* cells<T>(list: ExportableList<T>): AsyncGenerator<Record<string, unknown>> {
  for await (const item of list.all()) yield list.toCells(item);
}
