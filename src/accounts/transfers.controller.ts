import { Body, Controller, Post, Req, UseGuards } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { CallerSource } from '../http/caller-source.js';
import { pointerTo, Refusal } from '../http/refusal.js';
import { Sources } from '../sync/sources/sources.js';
import { TransferOrder } from './account.dto.js';
import { ChangesLedger } from './account-routes.js';
import { PostedTransfer } from './account-view.js';
import { Ledger } from './ledger.js';
import { newPosting, readAccountNumber, readCents, resultOf } from './posting-request.js';
import { SumGuard } from './sum-guard.js';

/** Moves money between accounts of the caller's source: both sides are posted or neither is. */
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
  @UseGuards(new SumGuard((request) => readCents(sumOf(request.body))))
  async transfer(
    @CallerSource() source: string,
    @Body() order: TransferOrder,
    @Req() request: Request,
  ): Promise<PostedTransfer> {
    const sumCents = readCents(order.sum);
    const [from, to] = [textOf('from', order.from), textOf('to', order.to)];
    if (from === to) throw new Refusal(400, 'same_account', 'A transfer goes from one account to another.');
    const sides = { payer: readAccountNumber(from), payee: readAccountNumber(to) };
    const posting = newPosting(request, { kind: 'transfer', ...sides, sumCents });
    const { balance, transferId } = resultOf(await this.ledger.post(await this.sources.find(source), posting));
    return { id: transferId, from, to, sum: sumCents, balance };
  }
}

/** A request without a body has no sum. */
function sumOf(body: unknown): unknown {
  return (body as TransferOrder | undefined)?.sum;
}

function textOf(name: string, value: unknown): string {
  if (typeof value === 'string') return value;
  const [code, detail] = ['invalid_field', 'must be the number of an account, as text'];
  throw new Refusal(400, code, `${name}: ${detail}`, { errors: [{ pointer: pointerTo(name), code, detail }] });
}
