import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiExtraModels, ApiOkResponse, ApiOperation, ApiTags, getSchemaPath } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited, subjectOf } from '../audit/audited.js';
import { CallerSource } from '../http/caller-source.js';
import { linkNextPage, type Page } from '../http/paging.js';
import { Wants } from '../http/wants.js';
import { Sources } from '../sync/sources/sources.js';
import { BalanceQuery, ListCompanies } from './cashflow-query.dto.js';
import { AnswerBasis, CompanyPosition } from './cashflow-view.dto.js';
import { CompanyBalance } from './company-balance.js';
import { CompanyList } from './company-list.js';

/** Companies and what they have. Their snapshots and histories are those of every resource. */
@ApiTags('cashflow')
@Wants('read')
@Controller('companies')
export class CompaniesController {
  constructor(
    private readonly companies: CompanyList,
    private readonly sources: Sources,
    private readonly balanceOf: CompanyBalance,
  ) {}

  @Get()
  @Audited('companies.listed', { soon: true })
  @ApiOperation({ summary: 'Companies by name, or by what they have now', operationId: 'list_companies' })
  @ApiExtraModels(AnswerBasis, CompanyPosition)
  @ApiOkResponse({
    description: 'a page',
    schema: {
      allOf: [
        { $ref: getSchemaPath(AnswerBasis) },
        {
          type: 'object',
          required: ['items', 'nextCursor'],
          properties: {
            items: { type: 'array', items: { $ref: getSchemaPath(CompanyPosition) } },
            nextCursor: { type: 'string', nullable: true },
          },
        },
      ],
    },
  })
  async list(
    @CallerSource() source: string,
    @Query() query: ListCompanies,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<CompanyPosition> & AnswerBasis> {
    const page = await this.companies.list(await this.sources.find(source), query);
    linkNextPage(request, response, page);
    return page;
  }

  @Get(':id')
  @Audited('companies.read', { subject: subjectOf('companies') })
  @ApiOperation({
    summary: 'One of the companies that are live, with what it has now in euros',
    operationId: 'get_companies',
  })
  @ApiOkResponse({ type: CompanyPosition })
  async get(@CallerSource() source: string, @Param('id') id: string): Promise<CompanyPosition> {
    const sourceId = await this.sources.find(source);
    const company = await this.companies.get(sourceId, id);
    const { balance } = await this.balanceOf.at(sourceId, id, new Date().toISOString(), new BalanceQuery());
    return { ...company, balance };
  }
}
