import type { Rail } from '../maker/sizes.js';
import { type Answer, array, badRequest, type Dialect, elements, json } from './answer.js';
import type { DataFolder } from './data-folder.js';
import { findWindow, linesOf, type ServerCursors, type Window } from './windows.js';

/** `own`: JSON that says where it is. The server remembers a cursor for each kind of transactions, and takes one from callers. */
export function ownDialect(data: DataFolder, cursors: ServerCursors): Dialect {
  const transactions = (rail: Rail, query: URLSearchParams): Answer => {
    const cursor = query.get('cursor');
    if (cursor === null) {
      const window = cursors.current(rail);
      return { ...windowAnswer(data, rail, window), advance: () => cursors.advance(rail, window) };
    }
    const window = findWindow(cursor);
    return window ? windowAnswer(data, rail, window) : badRequest('The cursor is none of this server.');
  };
  return (path, query) => {
    switch (path) {
      case '/ping':
        return json({ message: 'pong' });
      case '/company_info':
        return { status: 200, body: array(data.companies.read(0, data.companies.end), company) };
      case '/exchange_rates':
        return { status: 200, body: array(data.rates.read(0, data.rates.end), (line) => line) };
      case '/sepa':
        return transactions('sepa', query);
      case '/swift':
        return transactions('swift', query);
      default:
        return null;
    }
  };
}

function windowAnswer(data: DataFolder, rail: Rail, window: Window): Answer {
  return { status: 200, body: windowBody(data, rail, window) };
}

async function* windowBody(data: DataFolder, rail: Rail, window: Window): AsyncGenerator<string> {
  yield `{"from":"${window.from}","to":"${window.to}","transactions":[`;
  // The lines of the file are the rows.
  yield* elements(linesOf(data[rail], window), (line) => line);
  yield `],"nextCursor":${JSON.stringify(window.next)}}`;
}

function company(line: string): string {
  const { id, name, owner, ibans } = JSON.parse(line);
  return JSON.stringify({ id, name, owner, ibans });
}
