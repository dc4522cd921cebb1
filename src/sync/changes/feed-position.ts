import { encodeCursor, readCursor } from '../../platform/paging.js';
import { Refusal } from '../../platform/refusal.js';

/** A place in the feed of a source: from the commit `seq` on, and of that one what lies behind the row `row`. */
export interface FeedPosition {
  seq: number;
  row: number;
}

/** Before everything that is kept. */
export const OLDEST: FeedPosition = { seq: 0, row: 0 };

const WHOLE_NUMBER = /^\d{1,15}$/;

/** Whose feed, and of which resource if not of all: cursors of one feed are refused by others. */
export interface FeedName {
  source: string;
  resource?: string;
}

export function positionCursor(feed: FeedName, { seq, row }: FeedPosition): string {
  return encodeCursor(scopeOf(feed), [String(seq), String(row)]);
}

/** @throws Refusal 400 for a cursor that is none of this feed */
export function readFeedCursor(feed: FeedName, cursor: string): FeedPosition {
  const [seq = '', row = ''] = readCursor(cursor, scopeOf(feed), 2) ?? [];
  if (!WHOLE_NUMBER.test(seq) || !WHOLE_NUMBER.test(row)) {
    throw Refusal.foreignCursor();
  }
  return { seq: Number(seq), row: Number(row) };
}

function scopeOf({ source, resource = '*' }: FeedName): string {
  return `changes ${source} ${resource}`;
}
