import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited } from '../audit/audited.js';
import { answerExport, answerPageOrExport } from '../audit/exports.js';
import { ApiPage } from '../http/api-page.js';
import { CallerSource } from '../http/caller-source.js';
import { Wants } from '../http/wants.js';
import { Sources } from '../sync/sources/sources.js';
import { AllBalances } from './all-balances.js';
import { BalancesQuery, ListDirty } from './cashflow-query.dto.js';
import { DirtyView, PeriodBalance } from './cashflow-view.dto.js';
import { DirtyTransactions } from './dirty-transactions.js';

/** What is asked of all companies and transactions at once. */
@ApiTags('cashflow')
@Wants('read')
@Controller('cashflow')
export class CashflowController {
  constructor(
    private readonly sources: Sources,
    private readonly balances: AllBalances,
    private readonly dirty: DirtyTransactions,
  ) {}

  @Get('balances')
  @Audited('companies.balances_exported')
  @ApiOperation({ summary: 'How the balances of all companies have moved', operationId: 'list_all_balances' })
  @ApiProduces('application/x-ndjson', 'text/csv')
  @ApiOkResponse({ type: PeriodBalance, description: 'a line for each company and period, with `companyId`' })
  async all(
    @CallerSource() source: string,
    @Query() query: BalancesQuery,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const prepared = await this.balances.prepare(await this.sources.find(source), query);
    await answerExport(request, response, {
      all: prepared.rows,
      csvColumns: ['companyId', 'period', 'opening', 'credits', 'debits', 'closing'],
      toCells: (row) => ({ ...row }),
    });
  }

  @Get('dirty')
  @Audited('cashflow.dirty_read', { exported: 'cashflow.dirty_exported', soon: true })
  @ApiOperation({ summary: 'Transactions that something is wrong with, by time', operationId: 'list_dirty' })
  @ApiProduces('application/json', 'application/x-ndjson', 'text/csv')
  @ApiPage(DirtyView)
  async listDirty(
    @CallerSource() source: string,
    @Query() query: ListDirty,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const sourceId = await this.sources.find(source);
    await answerPageOrExport(request, response, {
      page: () => this.dirty.page(sourceId, query),
      all: () => this.dirty.all(sourceId, query.kind),
      csvColumns: [
        'resource',
        'id',
        'payerIban',
        'beneficiaryIban',
        'amount',
        'currency',
        'timestamp',
        'kinds',
        'reason',
        'group',
      ],
      toCells: ({ kinds, ...rest }) => ({ ...rest, kinds: kinds.join('|') }),
    });
  }
}
