import { malformed, SourceFault } from '../source/source-fault.js';

/** A cursor longer than that is no use in an address. */
const MAX_QUERY_CHARACTERS = 4_000;

/** A query that asks for the next answer. @throws SourceFault if it is too long for an address */
export function queryOf(parameters: [string, string][]): string {
  const query = parameters.map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`).join('&');
  if (query.length > MAX_QUERY_CHARACTERS) throw stuck('What the next answer is asked for by is very long.');
  return query;
}

/** A cursor that a source gives: null at its end. @throws SourceFault for anything but text and numbers */
export function readCursor(told: unknown): string | null {
  if (told === null || typeof told === 'string') return told;
  if (typeof told === 'number') return String(told);
  throw malformed('a cursor is neither a text nor a number.');
}

/** No further request would bring anything new. */
export function stuck(detail: string): SourceFault {
  return new SourceFault('cursor_stuck', detail, 'none');
}
