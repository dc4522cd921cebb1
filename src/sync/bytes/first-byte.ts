import type { SnapshotFormat } from './snapshot-format.js';

export type StartVerdict =
  { verdict: 'ok' } | { verdict: 'more' } | { verdict: 'fault'; code: 'empty' | 'wrong_first_byte'; detail: string };

export const EMPTY_DETAIL = 'The snapshot is empty; an empty list is [], an empty table is its header row.';

/** What a snapshot must begin with, said to a sender whose snapshot does not. */
export const WRONG_START_DETAIL: Record<SnapshotFormat, string> = {
  json: 'A JSON snapshot begins with [ or {.',
  ndjson: 'An NDJSON snapshot begins with {.',
  csv: 'A CSV snapshot begins with its header row, not with a NUL byte.',
};

const BYTE_ORDER_MARK = Buffer.from('\ufeff');
const WHITE_SPACE = new Set(Buffer.from(' \t\r\n'));
const STARTS: Record<SnapshotFormat, (byte: number) => boolean> = {
  json: (byte) => byte === 0x5b || byte === 0x7b,
  ndjson: (byte) => byte === 0x7b,
  csv: (byte) => byte !== 0,
};

/**
 * Judges the first inflated bytes of an upload, before anything is kept: after an optional byte order mark and white
 * space, can this be a snapshot of that format at all? `more` asks for a longer head; with `ended` it is never the
 * answer.
 */
export function inspectStart(format: SnapshotFormat, head: Buffer, ended: boolean): StartVerdict {
  const start = Math.min(head.length, BYTE_ORDER_MARK.length);
  const isMark = start > 0 && head.subarray(0, start).equals(BYTE_ORDER_MARK.subarray(0, start));
  if (isMark && start < BYTE_ORDER_MARK.length && !ended) {
    return { verdict: 'more' };
  }
  let at = isMark && start === BYTE_ORDER_MARK.length ? start : 0;
  while (at < head.length && WHITE_SPACE.has(head[at] as number)) {
    at++;
  }
  if (at === head.length) {
    return ended ? { verdict: 'fault', code: 'empty', detail: EMPTY_DETAIL } : { verdict: 'more' };
  }
  if (STARTS[format](head[at] as number)) {
    return { verdict: 'ok' };
  }
  return { verdict: 'fault', code: 'wrong_first_byte', detail: WRONG_START_DETAIL[format] };
}
