import { Body, Controller, Get, HttpCode, Param, Post, Put, Query, Req, Res, UseGuards } from '@nestjs/common';
import { ApiBody, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { CallerSource } from '../http/caller-source.js';
import { linkNextPage, type Page, PageQuery } from '../http/paging.js';
import { withinSource } from '../database/source-isolation.js';
import { ApiPage } from '../http/api-page.js';
import { Sources } from '../sync/sources/sources.js';
import { BalanceQuery, OpenAccount, SumQuery } from './account.dto.js';
import { ChangesLedger, ReadsLedger } from './account-routes.js';
import { Balance, OpenedAccount, StatementEntry } from './account-view.js';
import { Accounts } from './accounts.js';
import { Ledger } from './ledger.js';
import { newPosting, readAccountNumber, readSum, requesterOf, resultOf } from './posting-request.js';
import { CASH, type Posting } from './posting.js';
import { SumGuard } from './sum-guard.js';

const DEPOSITS = { status: 200, type: Balance, problems: [400, 404, 422, 503] } as const;
const WITHDRAWS = { status: 200, type: Balance, problems: [400, 404, 409, 422, 503] } as const;

const checksSum = new SumGuard(({ query }) => readSum(query['sum']));

/** Accounts of the caller's source, in whole cents. */
@ApiTags('accounts')
@Controller('api/accounts')
export class AccountsController {
  constructor(
    private readonly accounts: Accounts,
    private readonly ledger: Ledger,
    private readonly sources: Sources,
  ) {}

  @Post('create')
  @ChangesLedger('Open an account', { status: 201, type: OpenedAccount, problems: [400, 422, 503] })
  @ApiBody({ type: OpenAccount, required: false })
  async create(
    @CallerSource() source: string,
    @Body() order: OpenAccount,
    @Req() request: Request,
  ): Promise<OpenedAccount> {
    const account = { overdraftLimitCents: order.overdraftLimit ?? 0, ...requesterOf(request) };
    const sourceId = await this.sources.ensure(source);
    const number = await withinSource(sourceId, () => this.accounts.open({ sourceId, ...account }));
    return { account_number: number, balance: 0 };
  }

  @Post(':number/deposit')
  @ChangesLedger('Pay in', DEPOSITS)
  @UseGuards(checksSum)
  @HttpCode(200)
  deposit(
    @CallerSource() source: string,
    @Param('number') number: string,
    @Query() { sum }: SumQuery,
    @Req() request: Request,
  ): Promise<Balance> {
    return this.post(source, newDeposit(request, sum, number));
  }

  @Put(':number/deposit')
  @ChangesLedger('Pay in', DEPOSITS)
  @UseGuards(checksSum)
  putDeposit(
    @CallerSource() source: string,
    @Param('number') number: string,
    @Query() { sum }: SumQuery,
    @Req() request: Request,
  ): Promise<Balance> {
    return this.post(source, newDeposit(request, sum, number));
  }

  @Post(':number/withdraw')
  @ChangesLedger('Pay out', WITHDRAWS)
  @UseGuards(checksSum)
  @HttpCode(200)
  withdraw(
    @CallerSource() source: string,
    @Param('number') number: string,
    @Query() { sum }: SumQuery,
    @Req() request: Request,
  ): Promise<Balance> {
    return this.post(source, newWithdrawal(request, sum, number));
  }

  @Put(':number/withdraw')
  @ChangesLedger('Pay out', WITHDRAWS)
  @UseGuards(checksSum)
  putWithdraw(
    @CallerSource() source: string,
    @Param('number') number: string,
    @Query() { sum }: SumQuery,
    @Req() request: Request,
  ): Promise<Balance> {
    return this.post(source, newWithdrawal(request, sum, number));
  }

  @Get(':number/balance')
  @ReadsLedger('The balance, now or as of an instant')
  @ApiResponse({ status: 200, type: Balance })
  async balance(
    @CallerSource() source: string,
    @Param('number') number: string,
    @Query() { asOf }: BalanceQuery,
  ): Promise<Balance> {
    return { balance: await this.accounts.balance(await this.sources.find(source), number, asOf) };
  }

  @Get(':number/entries')
  @ReadsLedger('The statement, newest first')
  @ApiPage(StatementEntry)
  async entries(
    @CallerSource() source: string,
    @Param('number') number: string,
    @Query() query: PageQuery,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<StatementEntry>> {
    const page = await this.accounts.statement(await this.sources.find(source), number, query);
    linkNextPage(request, response, page);
    return page;
  }

  private async post(source: string, posting: Posting): Promise<Balance> {
    const { balance } = resultOf(await this.ledger.post(await this.sources.find(source), posting));
    return { balance };
  }
}

/** The sum is checked before the account. */
function newDeposit(request: Request, sum: unknown, number: string): Posting {
  const sumCents = readSum(sum);
  return newPosting(request, { kind: 'deposit', payer: CASH, payee: readAccountNumber(number), sumCents });
}

function newWithdrawal(request: Request, sum: unknown, number: string): Posting {
  const sumCents = readSum(sum);
  return newPosting(request, { kind: 'withdrawal', payer: readAccountNumber(number), payee: CASH, sumCents });
}
