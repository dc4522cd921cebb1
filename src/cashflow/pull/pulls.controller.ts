import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited, newSubject, subjectOf } from '../../audit/audited.js';
import { withinSource } from '../../database/source-isolation.js';
import { CallerSource } from '../../http/caller-source.js';
import { linkNextPage, type Page } from '../../http/paging.js';
import { preferredWaitSeconds } from '../../http/prefer.js';
import { Wants } from '../../http/wants.js';
import { Sources } from '../../sync/sources/sources.js';
import { PullView } from './pull-view.js';
import { CreatePull, ListPulls } from './pull.dto.js';
import { Pulls } from './pulls.js';

/** Pulls of bank transactions from systems that do not send them. */
@ApiTags('cashflow')
@Controller('cashflow/pulls')
export class PullsController {
  constructor(
    private readonly pulls: Pulls,
    private readonly sources: Sources,
  ) {}

  @Post()
  @Wants('submit')
  @HttpCode(202)
  @Audited('pull.started', { subject: newSubject('pull') })
  @ApiOperation({ summary: 'Pull companies, rates and transactions of a bank, once or regularly' })
  @ApiResponse({ status: 202, type: PullView })
  async create(
    @CallerSource() source: string,
    @Body() order: CreatePull,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PullView> {
    const sourceId = await this.sources.ensure(source);
    const pull = await withinSource(sourceId, () => this.pulls.create(sourceId, order));
    response.location(pull.links.self).set('Retry-After', '1');
    return pull;
  }

  @Get()
  @Wants('read')
  @ApiOperation({ summary: 'Pulls, newest first' })
  async list(
    @CallerSource() source: string,
    @Query() query: ListPulls,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<PullView>> {
    const page = await this.pulls.list(await this.sources.find(source), query);
    linkNextPage(request, response, page);
    return page;
  }

  @Get(':id')
  @Wants('read')
  @ApiOperation({ summary: 'A pull' })
  @ApiHeader({ name: 'Prefer', required: false, description: 'wait=10: wait up to so many seconds for its end' })
  @ApiResponse({ status: 200, type: PullView })
  async get(@CallerSource() source: string, @Param('id') id: string, @Req() request: Request): Promise<PullView> {
    const seconds = preferredWaitSeconds(request.headers.prefer);
    return this.pulls.get(await this.sources.find(source), id, seconds);
  }

  @Delete(':id')
  @Wants('submit')
  @HttpCode(204)
  @Audited('pull.ended', { subject: subjectOf('pull') })
  @ApiOperation({ summary: 'End a pull that is under way, and its schedule' })
  async end(@CallerSource() source: string, @Param('id') id: string): Promise<void> {
    await this.pulls.end(await this.sources.find(source), id);
  }
}
