import { Body, Controller, Post, Req } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { CallerSource } from '../platform/caller-source.js';
import { Refusal } from '../platform/refusal.js';
import { Wants } from '../platform/wants.js';
import { Sources } from '../sync/sources.js';
import { TransferOrder } from './account.dto.js';
import { PostedTransfer } from './account-view.js';
import { IDEMPOTENCY_KEY } from './accounts.controller.js';
import { Ledger } from './ledger.js';
import { accountNumber, orderPosting, readCents, settled } from './money-order.js';

/** Moves money between accounts of the caller's source: both sides or neither. */
@ApiTags('accounts')
@Controller('api/transfers')
export class TransfersController {
  constructor(
    private readonly ledger: Ledger,
    private readonly sources: Sources,
  ) {}

  @Post()
  @Wants('submit')
  @ApiOperation({ summary: 'Transfer between two accounts' })
  @ApiHeader(IDEMPOTENCY_KEY)
  @ApiResponse({ status: 201, type: PostedTransfer })
  async transfer(
    @CallerSource() source: string,
    @Body() order: TransferOrder,
    @Req() request: Request,
  ): Promise<PostedTransfer> {
    const sumCents = readCents(order.sum);
    const [from, to] = [textOf('from', order.from), textOf('to', order.to)];
    if (from === to) throw new Refusal(400, 'same_account', 'A transfer goes from one account to another.');
    const sides = { payer: accountNumber(from), payee: accountNumber(to) };
    const posting = orderPosting(request, { kind: 'transfer', ...sides, sumCents });
    const { balance, transferId } = settled(await this.ledger.post(await this.sources.find(source), posting));
    return { id: transferId, from, to, sum: sumCents, balance };
  }
}

function textOf(name: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw Refusal.field(name, 'must be the number of an account, as text');
}
