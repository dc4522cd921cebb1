import { Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited, subjectOf } from '../audit/audited.js';
import { CallerSource } from '../http/caller-source.js';
import { linkNextPage, type Page } from '../http/paging.js';
import { Wants } from '../http/wants.js';
import { Sources } from '../sync/sources/sources.js';
import { SettlementQueries } from './settlement-queries.js';
import { PaymentRetries } from './payment-retries.js';
import {
  claimPaymentView,
  ClaimPaymentView,
  PaymentCounts,
  ClaimPaymentState,
  claimPaymentState,
  RetriedPayments,
} from './claim-payment-view.js';
import { ListClaimPayments, ListNotifications } from './claim-payment.dto.js';

/** Shows payments of claims and how far each has come, and retries failed ones. */
@ApiTags('claim payments')
@Controller()
export class ClaimPaymentsController {
  constructor(
    private readonly queries: SettlementQueries,
    private readonly retries: PaymentRetries,
    private readonly sources: Sources,
  ) {}

  @Get('claim-payments')
  @Wants('read')
  @Audited('claim-payments.listed', { soon: true })
  @ApiOperation({ summary: 'Settled payments of claims, newest first: one for each claim' })
  async list(
    @CallerSource() source: string,
    @Query() query: ListClaimPayments,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<ClaimPaymentView>> {
    const page = await this.queries.listPayments(await this.sources.find(source), query);
    linkNextPage(request, response, page);
    return { ...page, items: page.items.map(claimPaymentView) };
  }

  @Get('claim-payments/states')
  @Wants('read')
  @ApiOperation({ summary: 'How many claims are in each state: pending, notified, settled or failed' })
  @ApiResponse({ status: 200, type: PaymentCounts })
  async count(@CallerSource() source: string): Promise<PaymentCounts> {
    return this.queries.count(await this.sources.find(source));
  }

  @Get('claim-payments/notifications')
  @Wants('read')
  @ApiOperation({ summary: 'The state of the payment of each claim, newest first' })
  async listNotifications(
    @CallerSource() source: string,
    @Query() query: ListNotifications,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<ClaimPaymentState>> {
    const page = await this.queries.listNotifications(await this.sources.find(source), query);
    linkNextPage(request, response, page);
    return { ...page, items: page.items.map(claimPaymentState) };
  }

  @Post('claim-payments/retry')
  @Wants('submit')
  @Audited('claim-payment.retried')
  @HttpCode(202)
  @ApiOperation({ summary: 'Retry the payments of failed claims, at most 500' })
  @ApiResponse({ status: 202, type: RetriedPayments })
  @ApiResponse({ status: 503, description: 'the queue is unavailable, and dead letters have to be removed from it' })
  async retryFailed(@CallerSource() source: string): Promise<RetriedPayments> {
    return { retried: await this.retries.retryFailed(await this.sources.find(source)) };
  }

  @Post('claims/:id/payment/retry')
  @Wants('submit')
  @Audited('claim-payment.retried', { subject: subjectOf('claim') })
  @HttpCode(202)
  @ApiOperation({ summary: 'Retry the payment of a claim' })
  @ApiResponse({ status: 202, type: ClaimPaymentState })
  @ApiResponse({ status: 404, description: 'no such claim' })
  @ApiResponse({ status: 409, description: 'it is settled' })
  @ApiResponse({ status: 503, description: 'the queue is unavailable, and a dead letter has to be removed from it' })
  async retry(@CallerSource() source: string, @Param('id') id: string): Promise<ClaimPaymentState> {
    return claimPaymentState(await this.retries.retry(await this.sources.find(source), id));
  }
}
