import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited } from '../../audit/audited.js';
import { CallerSource } from '../../http/caller-source.js';
import { Cursors } from '../../http/cursors.js';
import { linkNextPage, type Page } from '../../http/paging.js';
import { preferredWaitSeconds } from '../../http/prefer.js';
import { Refusal } from '../../http/refusal.js';
import { Wants } from '../../http/wants.js';
import { Definitions } from '../../definitions/definitions.js';
import { ApiPage } from '../../http/api-page.js';
import { FeedItem } from '../changes/change.dto.js';
import { ChangeFeed } from '../changes/change-feed.js';
import { positionCursor } from '../changes/feed-position.js';
import { ListChanges } from './list-changes.dto.js';

/** The feed of changes for consumers downstream. */
@ApiTags('changes')
@Wants('read')
@Controller('changes')
export class ChangeFeedController {
  constructor(
    private readonly feed: ChangeFeed,
    private readonly definitions: Definitions,
    private readonly cursors: Cursors,
  ) {}

  @Get()
  @Audited('changes.read', { unlessEmpty: true })
  @ApiOperation({
    summary: 'All changes of the source, each once, in the order of commit',
    description:
      'Unlike that of other lists, `nextCursor` is never null: at the end it is the cursor to ask again with. ' +
      'A consumer that stores it in one transaction with the effect of the items misses nothing and does nothing twice. ' +
      'Payments whose patient is not in the mirror are reported too, as they were sent. ' +
      'A 410 says that the changes after the cursor are no longer kept: take a cursor with `after=latest`, read the lists, go on.',
  })
  @ApiHeader({ name: 'Prefer', required: false, description: 'wait=10: wait up to so many seconds for something' })
  @ApiPage(FeedItem, 'always')
  async list(
    @CallerSource() source: string,
    @Query() query: ListChanges,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<FeedItem>> {
    const { resource, limit } = query;
    if (resource !== undefined && !this.definitions.has(resource)) {
      throw Refusal.parameter('resource', 'There is no such resource.');
    }
    const waitSeconds = preferredWaitSeconds(request.headers.prefer);
    if (waitSeconds > 0) response.set('Preference-Applied', `wait=${waitSeconds}`);
    const feed = { source, resource };
    const page = await this.feed.read({ ...feed, cursor: cursorOf(query), limit }, waitSeconds * 1000);
    const answer = { items: page.items, nextCursor: positionCursor(this.cursors, feed, page.next) };
    if (page.hasMore) linkNextPage(request, response, answer);
    return answer;
  }
}

/** `after` and `cursor` are the same. @throws Refusal 400 if they disagree */
function cursorOf({ after, cursor }: ListChanges): string | undefined {
  if (after !== undefined && cursor !== undefined && after !== cursor) {
    throw Refusal.parameter(
      'after',
      'after and cursor mean the same and have different values.',
      'conflicting_parameters',
    );
  }
  return after ?? cursor;
}
