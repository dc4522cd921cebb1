import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { CallerSource } from '../http/caller-source.js';
import { LimitedBy } from '../limits/route-limit.js';
import { Wants } from '../http/wants.js';
import { Sources } from '../sync/sources/sources.js';
import { ProviderRanking, TopProviders } from './claim.dto.js';
import { ProviderTotals } from './provider-totals.js';

/** Ranks providers by the total of their claims. */
@ApiTags('providers')
@Controller('providers')
export class ProvidersController {
  constructor(
    private readonly totals: ProviderTotals,
    private readonly sources: Sources,
  ) {}

  @Get('top')
  @Wants('read')
  @LimitedBy('TOP_PROVIDERS_PER_MINUTE')
  @ApiOperation({ summary: 'The providers with the largest totals; limited to a number of calls per minute' })
  @ApiResponse({ status: 200, type: ProviderRanking })
  @ApiResponse({
    status: 429,
    description: 'too many calls within the minute; Retry-After says when the next call is allowed',
  })
  async top(@CallerSource() source: string, @Query() { limit }: TopProviders): Promise<ProviderRanking> {
    return { items: await this.totals.top(await this.sources.find(source), limit) };
  }
}
