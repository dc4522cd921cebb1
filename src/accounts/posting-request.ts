import type { Request } from 'express';
import { v7 as uuidv7 } from 'uuid';
import { callerOf } from '../platform/caller.js';
import { idempotencyKeyOf } from '../platform/idempotency-key.js';
import { isAccountNumber } from './account-number.js';
import { insufficientFunds, invalidSum, keyUsedOtherwise, unknownAccount } from './account-refusal.js';
import { type Decision, MOST_CENTS, type Posting } from './posting.js';

/** A sum in a query: digits and nothing else, and no zeros in front, as `010` is eight to some. */
const SUM = /^[1-9]\d{0,15}$/;

/** The name and the key under which somebody asks. @throws Refusal 400 */
export function askedBy(request: Request): { by: string; idempotencyKey: string | null } {
  return { by: callerOf(request).name, idempotencyKey: idempotencyKeyOf(request) };
}

/** What a caller wants moved. @throws Refusal 400 */
export function orderPosting(request: Request, order: Pick<Posting, 'kind' | 'payer' | 'payee' | 'sumCents'>): Posting {
  return { id: uuidv7(), ...order, ...askedBy(request) };
}

/** The cents of a query's `sum`. @throws Refusal 400 */
export function readSum(sum: unknown): number {
  if (typeof sum !== 'string' || !SUM.test(sum)) throw invalidSum();
  return readCents(Number(sum));
}

/** Cents that can be moved. @throws Refusal 400 */
export function readCents(cents: unknown): number {
  if (typeof cents !== 'number' || !Number.isInteger(cents) || cents < 1 || cents > MOST_CENTS) throw invalidSum();
  return cents;
}

/** @throws Refusal 404 for what cannot be the number of an account, without asking the database */
export function accountNumber(text: unknown): string {
  if (!isAccountNumber(text)) throw unknownAccount();
  return text;
}

/** The balance and the transfer of what was posted. @throws Refusal 400, 404, 409, 422 for what was not */
export function settled({ outcome, balanceCents, transferId }: Decision): { balance: number; transferId: string } {
  if (outcome === 'unknown_account') throw unknownAccount();
  if (outcome === 'sum_beyond') throw invalidSum();
  if (outcome === 'insufficient_funds') throw insufficientFunds();
  if (outcome === 'key_used_otherwise') throw keyUsedOtherwise();
  return { balance: balanceCents ?? 0, transferId: transferId ?? '' };
}
