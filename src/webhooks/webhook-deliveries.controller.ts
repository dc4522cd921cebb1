import { Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited, subjectOf } from '../audit/audited.js';
import { CallerSource } from '../http/caller-source.js';
import { linkNextPage, type Page } from '../http/paging.js';
import { Wants } from '../http/wants.js';
import { Sources } from '../sync/sources/sources.js';
import { WebhookDeliveries } from './webhook-deliveries.js';
import type { WebhookEndpoint } from './webhook-endpoint.entity.js';
import { WebhookEndpoints } from './webhook-endpoints.js';
import { DeliveryView, deliveryView } from './webhook-view.js';
import { ListDeliveries, ReplaySince } from './webhook.dto.js';

/** The deliveries of an endpoint, and their replay. */
@ApiTags('webhooks')
@Controller('webhooks/:id')
export class WebhookDeliveriesController {
  constructor(
    private readonly endpoints: WebhookEndpoints,
    private readonly deliveries: WebhookDeliveries,
    private readonly sources: Sources,
  ) {}

  @Get('deliveries')
  @Wants('read')
  @ApiOperation({ summary: 'Deliveries, newest first' })
  async list(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Query() query: ListDeliveries,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<DeliveryView>> {
    const page = await this.deliveries.list(await this.endpoint(source, id), query);
    linkNextPage(request, response, page);
    return { ...page, items: page.items.map(deliveryView) };
  }

  @Post('deliveries/:deliveryId/replay')
  @Wants('submit')
  @Audited('webhook.replayed', { subject: subjectOf('webhook') })
  @HttpCode(202)
  @ApiOperation({ summary: 'Send a delivery again, under the same webhook-id' })
  @ApiResponse({ status: 202, type: DeliveryView })
  async replay(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Param('deliveryId') deliveryId: string,
  ): Promise<DeliveryView> {
    return deliveryView(await this.deliveries.replay(await this.endpoint(source, id), deliveryId));
  }

  @Post('replay')
  @Wants('submit')
  @Audited('webhook.replayed', { subject: subjectOf('webhook') })
  @HttpCode(202)
  @ApiOperation({ summary: 'Send all failed deliveries again that were created since an instant' })
  async replaySince(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Query() query: ReplaySince,
  ): Promise<{ replayed: number }> {
    const endpoint = await this.endpoint(source, id);
    return { replayed: await this.deliveries.replaySince(endpoint, new Date(query.since)) };
  }

  @Post('test')
  @Wants('submit')
  @Audited('webhook.tested', { subject: subjectOf('webhook') })
  @HttpCode(202)
  @ApiOperation({ summary: 'Send a ping' })
  @ApiResponse({ status: 202, type: DeliveryView })
  async test(@CallerSource() source: string, @Param('id') id: string): Promise<DeliveryView> {
    return deliveryView(await this.deliveries.ping(await this.endpoint(source, id), source));
  }

  private async endpoint(source: string, id: string): Promise<WebhookEndpoint> {
    return this.endpoints.get(await this.sources.find(source), id);
  }
}
