import type { Cursors } from '../../http/cursors.js';

/** A place in the feed of a source: from the commit `seq` on, and of that one what lies behind the row `row`. */
export interface FeedPosition {
  seq: number;
  row: number;
}

/** Before everything that is kept. */
export const OLDEST: FeedPosition = { seq: 0, row: 0 };

/** Whose feed, and of which resource if not of all: cursors of one feed are refused by others. */
export interface FeedName {
  source: string;
  resource?: string;
}

export function positionCursor(cursors: Cursors, feed: FeedName, { seq, row }: FeedPosition): string {
  return cursors.make(scopeOf(feed), [String(seq), String(row)]);
}

/** @throws Refusal 400 for a cursor that is none of this feed */
export function readFeedCursor(cursors: Cursors, feed: FeedName, cursor: string): FeedPosition {
  const [seq, row] = cursors.read(cursor, scopeOf(feed), 2) ?? [];
  return { seq: Number(seq), row: Number(row) };
}

function scopeOf({ source, resource = '*' }: FeedName): string {
  return `changes ${source} ${resource}`;
}
