import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited, newSubject, subjectOf } from '../audit/audited.js';
import { CallerSource } from '../http/caller-source.js';
import { linkNextPage, type Page, PageQuery } from '../http/paging.js';
import { withinSource } from '../database/source-isolation.js';
import { Wants } from '../http/wants.js';
import { Sources } from '../sync/sources/sources.js';
import type { WebhookEndpoint } from './webhook-endpoint.entity.js';
import { WebhookEndpoints } from './webhook-endpoints.js';
import { WebhookView, WebhookWithSecret, webhookView } from './webhook-view.js';
import { CreateWebhook, UpdateWebhook } from './webhook.dto.js';

/** Endpoints that are notified when jobs end. Requests are signed as in Standard Webhooks (https://www.standardwebhooks.com). */
@ApiTags('webhooks')
@Controller('webhooks')
export class WebhooksController {
  constructor(
    private readonly endpoints: WebhookEndpoints,
    private readonly sources: Sources,
  ) {}

  @Post()
  @Wants('submit')
  @Audited('webhook.created', { subject: newSubject('webhook') })
  @ApiOperation({ summary: 'Register an endpoint; the secret is only shown this once' })
  @ApiResponse({ status: 201, type: WebhookWithSecret })
  async create(
    @CallerSource() source: string,
    @Body() order: CreateWebhook,
    @Res({ passthrough: true }) response: Response,
  ): Promise<WebhookWithSecret> {
    const sourceId = await this.sources.ensure(source);
    const endpoint = await withinSource(sourceId, () => this.endpoints.create(sourceId, order));
    response.location(`/webhooks/${endpoint.id}`);
    return withSecret(endpoint);
  }

  @Get()
  @Wants('read')
  @ApiOperation({ summary: 'Endpoints, newest first' })
  async list(
    @CallerSource() source: string,
    @Query() query: PageQuery,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<WebhookView>> {
    const page = await this.endpoints.list(await this.sources.find(source), query);
    linkNextPage(request, response, page);
    return { ...page, items: page.items.map(webhookView) };
  }

  @Get(':id')
  @Wants('read')
  @ApiOperation({ summary: 'An endpoint' })
  @ApiResponse({ status: 200, type: WebhookView })
  async get(@CallerSource() source: string, @Param('id') id: string): Promise<WebhookView> {
    return webhookView(await this.endpoints.get(await this.sources.find(source), id));
  }

  @Patch(':id')
  @Wants('submit')
  @Audited('webhook.changed', { subject: subjectOf('webhook') })
  @ApiOperation({ summary: 'Change an endpoint, disable it, or enable it again' })
  @ApiResponse({ status: 200, type: WebhookView })
  async update(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Body() changes: UpdateWebhook,
  ): Promise<WebhookView> {
    return webhookView(await this.endpoints.update(await this.sources.find(source), id, changes));
  }

  @Delete(':id')
  @Wants('submit')
  @Audited('webhook.deleted', { subject: subjectOf('webhook') })
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete an endpoint with its deliveries' })
  async delete(@CallerSource() source: string, @Param('id') id: string): Promise<void> {
    await this.endpoints.delete(await this.sources.find(source), id);
  }

  @Post(':id/rotate-secret')
  @Wants('submit')
  @Audited('webhook.secret_rotated', { subject: subjectOf('webhook') })
  @HttpCode(200)
  @ApiOperation({ summary: 'A new secret; the old one signs too for 24 hours' })
  @ApiResponse({ status: 200, type: WebhookWithSecret })
  async rotateSecret(@CallerSource() source: string, @Param('id') id: string): Promise<WebhookWithSecret> {
    return withSecret(await this.endpoints.rotateSecret(await this.sources.find(source), id));
  }
}

function withSecret(endpoint: WebhookEndpoint): WebhookWithSecret {
  return { ...webhookView(endpoint), secret: endpoint.secret };
}
