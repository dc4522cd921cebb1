import type { Caller } from '../http/caller.js';
import { digestOf } from './key-text.js';

/** As long as an outage that somebody watches may last; a key that was revoked meanwhile would be taken for as long. */
const REMEMBERED_MS = 15 * 60_000;

/** Whoever scrapes metrics has one key or two. */
const MAX_CALLERS = 20;

/**
 * The last callers whose keys the database has confirmed, for the one page that must be there when the database is not.
 * Keys are kept as digests.
 */
export class RecentCallers {
  private readonly callers = new Map<string, { caller: Caller; until: number }>();

  /** @param caller whom the database has found for the key; null if it has found nobody */
  note(key: string, caller: Caller | null): void {
    const digest = digestOf(key).toString('hex');
    // Deleted first, as the map keeps the order in which entries were added.
    this.callers.delete(digest);
    if (caller === null) return;
    this.callers.set(digest, { caller, until: Date.now() + REMEMBERED_MS });
    const [oldest] = this.callers.keys();
    if (this.callers.size > MAX_CALLERS && oldest !== undefined) this.callers.delete(oldest);
  }

  find(key: string): Caller | null {
    const known = this.callers.get(digestOf(key).toString('hex'));
    return known !== undefined && known.until > Date.now() ? known.caller : null;
  }
}
