import { Injectable } from '@nestjs/common';
import { Cursors } from '../../http/cursors.js';
import { Refusal } from '../../http/refusal.js';
import { withinSource } from '../../database/source-isolation.js';
import { Sources } from '../sources/sources.js';
import { CommitWatcher } from './commit-watcher.js';
import { type FeedPage, FeedPages } from './feed-pages.js';
import { type FeedName, type FeedPosition, OLDEST, readFeedCursor } from './feed-position.js';

/** Stands for a cursor to the present: only what comes from now on. */
export const LATEST = 'latest';

/** What a consumer asks of a feed. */
export interface FeedRequest extends FeedName {
  cursor?: string;
  limit: number;
}

/** A source's changes for consumers downstream: each exactly once, in the order of commit. */
@Injectable()
export class ChangeFeed {
  constructor(
    private readonly pages: FeedPages,
    private readonly watcher: CommitWatcher,
    private readonly sources: Sources,
    private readonly cursors: Cursors,
  ) {}

  /**
   * What comes after the cursor, from the oldest that is kept without one. If there is nothing, waits up to `waitMs`.
   * @throws Refusal 400, or 410 if what comes after the cursor is no longer kept
   */
  async read(request: FeedRequest, waitMs: number): Promise<FeedPage> {
    const deadline = Date.now() + waitMs;
    let from = await this.positionOf(request);
    for (;;) {
      const page = await this.page(request, from);
      refuseUnlessKept(page, from);
      if (page.items.length > 0) return page;
      from = page.next;
      const restMs = deadline - Date.now();
      if (page.hasMore) continue;
      if (restMs <= 0 || !(await this.watcher.waitBeyond(request.source, page.lastCommit, restMs))) return page;
    }
  }

  private async positionOf(request: FeedRequest): Promise<FeedPosition> {
    const { cursor } = request;
    if (cursor === undefined) return OLDEST;
    if (cursor !== LATEST) return readFeedCursor(this.cursors, request, cursor);
    const sourceId = await this.sources.find(request.source);
    return { seq: (await this.pages.lastCommit(sourceId)) + 1, row: 0 };
  }

  /** Of the source as it is by now: it may come into being while somebody waits for it. */
  private async page({ source, limit, resource }: FeedRequest, from: FeedPosition): Promise<FeedPage> {
    const sourceId = await this.sources.find(source);
    return withinSource(sourceId, () => this.pages.read(sourceId, from, limit, resource));
  }
}

/** A position beyond the last commit is one of a database that has been set back since: its numbers come again. */
function refuseUnlessKept({ firstKept, lastCommit }: FeedPage, from: FeedPosition): void {
  if (from === OLDEST || (from.seq >= firstKept && from.seq <= lastCommit + 1)) return;
  const detail =
    'The changes after this cursor are no longer kept. ' +
    `Take a new cursor with after=${LATEST}, then read the lists again, then go on with that cursor.`;
  throw new Refusal(410, 'changes_gone', detail);
}
