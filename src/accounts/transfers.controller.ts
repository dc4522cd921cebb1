import { Body, Controller, Post, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { CallerSource } from '../platform/caller-source.js';
import { Refusal } from '../platform/refusal.js';
import { Sources } from '../sync/sources.js';
import { TransferOrder } from './account.dto.js';
import { ChangesLedger } from './account-routes.js';
import { PostedTransfer } from './account-view.js';
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
  @ChangesLedger('Transfer between two accounts', {
    status: 201,
    type: PostedTransfer,
    problems: [400, 404, 409, 422, 503],
  })
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
