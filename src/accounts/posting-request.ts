import type { Request } from 'express';
import { v7 as uuidv7 } from 'uuid';
import { callerOf } from '../http/caller.js';
import { idempotencyKeyOf } from '../http/idempotency-key.js';
import { isAccountNumber } from './account-number.js';
import { insufficientFunds, invalidSum, idempotencyKeyReused, unknownAccount } from './account-refusal.js';
import { type Decision, MOST_CENTS, type Posting } from './posting.js';

/** A sum in a query: digits only, without leading zeros, as some languages read `010` as eight. */
const SUM = /^[1-9]\d{0,15}$/;

/** The name of the caller's key and its `Idempotency-Key`. @throws Refusal 400 */
export function requesterOf(request: Request): { by: string; idempotencyKey: string | null } {
  return { by: callerOf(request).name, idempotencyKey: idempotencyKeyOf(request) };
}

/** A new posting on behalf of the caller. @throws Refusal 400 */
export function newPosting(request: Request, posting: Pick<Posting, 'kind' | 'payer' | 'payee' | 'sumCents'>): Posting {
  return { id: uuidv7(), ...posting, ...requesterOf(request) };
}

/** The cents of a query's `sum`. @throws Refusal 400 */
export function readSum(sum: unknown): number {
  if (typeof sum !== 'string' || !SUM.test(sum)) throw invalidSum();
  return readCents(Number(sum));
}

/** A whole number of cents from 1 to {@link MOST_CENTS}. @throws Refusal 400 */
export function readCents(cents: unknown): number {
  if (typeof cents !== 'number' || !Number.isInteger(cents) || cents < 1 || cents > MOST_CENTS) throw invalidSum();
  return cents;
}

/** @throws Refusal 404 for a text that cannot be the number of an account, without a query */
export function readAccountNumber(text: unknown): string {
  if (!isAccountNumber(text)) throw unknownAccount();
  return text;
}

/** The balance and the transfer of a posting that was posted. @throws Refusal 400, 404, 409, 422 for any other */
export function resultOf({ outcome, balanceCents, transferId }: Decision): { balance: number; transferId: string } {
  if (outcome === 'unknown_account') throw unknownAccount();
  if (outcome === 'sum_beyond') throw invalidSum();
  if (outcome === 'insufficient_funds') throw insufficientFunds();
  if (outcome === 'key_used_otherwise') throw idempotencyKeyReused();
  return { balance: balanceCents ?? 0, transferId: transferId ?? '' };
}
