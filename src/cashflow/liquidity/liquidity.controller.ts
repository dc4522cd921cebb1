import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited, newSubject, subjectOf } from '../../audit/audited.js';
import { CallerSource } from '../../http/caller-source.js';
import { linkNextPage, type Page, PageQuery } from '../../http/paging.js';
import { Wants } from '../../http/wants.js';
import { Sources } from '../../sync/sources/sources.js';
import { CreateLiquidityRule, LiquidityRuleView, toRuleView } from './liquidity.dto.js';
import { LiquidityRules } from './liquidity-rules.js';

/** Lines that the balance of a company should not fall below. Webhooks tell when it does, and when it is back. */
@ApiTags('cashflow')
@Controller('companies/:id/liquidity-rules')
export class LiquidityController {
  constructor(
    private readonly rules: LiquidityRules,
    private readonly sources: Sources,
  ) {}

  @Post()
  @Wants('submit')
  @Audited('liquidity_rule.created', { subject: newSubject('liquidity_rule') })
  @ApiOperation({ summary: 'Make a rule; one that is below its line tells at once' })
  @ApiResponse({ status: 201, type: LiquidityRuleView })
  async create(
    @CallerSource() source: string,
    @Param('id') company: string,
    @Body() order: CreateLiquidityRule,
    @Res({ passthrough: true }) response: Response,
  ): Promise<LiquidityRuleView> {
    const rule = await this.rules.create(await this.sources.find(source), company, order);
    response.location(`/companies/${encodeURIComponent(company)}/liquidity-rules/${rule.id}`);
    return toRuleView(rule);
  }

  @Get()
  @Wants('read')
  @Audited('liquidity_rules.listed', { subject: subjectOf('companies') })
  @ApiOperation({ summary: "A company's rules, newest first" })
  async list(
    @CallerSource() source: string,
    @Param('id') company: string,
    @Query() query: PageQuery,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<LiquidityRuleView>> {
    const page = await this.rules.list(await this.sources.find(source), company, query);
    linkNextPage(request, response, page);
    return { ...page, items: page.items.map(toRuleView) };
  }

  @Get(':ruleId')
  @Wants('read')
  @Audited('liquidity_rule.read', { subject: subjectOf('liquidity_rule', 'ruleId') })
  @ApiOperation({ summary: 'A rule' })
  @ApiResponse({ status: 200, type: LiquidityRuleView })
  async get(
    @CallerSource() source: string,
    @Param('id') company: string,
    @Param('ruleId') id: string,
  ): Promise<LiquidityRuleView> {
    return toRuleView(await this.rules.get(await this.sources.find(source), company, id));
  }

  @Delete(':ruleId')
  @Wants('submit')
  @Audited('liquidity_rule.deleted', { subject: subjectOf('liquidity_rule', 'ruleId') })
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a rule' })
  async delete(
    @CallerSource() source: string,
    @Param('id') company: string,
    @Param('ruleId') id: string,
  ): Promise<void> {
    await this.rules.delete(await this.sources.find(source), company, id);
  }
}
