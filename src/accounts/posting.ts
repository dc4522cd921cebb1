/** The number of a source's cash, the other side of deposits and withdrawals. No route takes it. */
export const CASH = '0';

/** The most cents that a sum or a balance may have: every reader of JSON takes them exactly. */
export const MOST_CENTS = Number.MAX_SAFE_INTEGER;

export type TransferKind = 'deposit' | 'withdrawal' | 'transfer';

/** What is to be moved from one account to another, and who wants it. */
export interface Posting {
  /** UUIDv7, made by whoever takes the order: the same order never has two. */
  id: string;
  kind: TransferKind;
  payer: string;
  payee: string;
  sumCents: number;
  idempotencyKey: string | null;
  /** The name of the key with which it was asked for. */
  by: string;
}

/** What a posting has come to. Of what was refused nothing is done. */
export interface Decision {
  outcome: 'posted' | 'unknown_account' | 'sum_beyond' | 'insufficient_funds' | 'key_used_otherwise';
  /** Of the payer, or of the payee of a deposit, right after it was posted. */
  balanceCents: number | null;
  transferId: string | null;
}

/** The accounts of a source that a posting needs. */
export function accountsOf({ payer, payee }: Posting): string[] {
  return [payer, payee].filter((number) => number !== CASH);
}

/** What makes two requests under one key the same. */
export function requestOf({ kind, payer, payee, sumCents }: Posting): string {
  return `${kind} ${payer} ${payee} ${sumCents}`;
}
