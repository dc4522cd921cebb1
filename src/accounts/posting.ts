/** The account number of a source's cash, the other side of deposits and withdrawals. No route accepts it. */
export const CASH = '0';

/** The most cents of a sum or a balance: every JSON reader takes numbers up to this exactly. */
export const MOST_CENTS = Number.MAX_SAFE_INTEGER;

export type TransferKind = 'deposit' | 'withdrawal' | 'transfer';

/** An order to move a sum from one account to another. */
export interface Posting {
  /** UUIDv7, made once when the request is taken, so that a retry has the same id. */
  id: string;
  kind: TransferKind;
  payer: string;
  payee: string;
  sumCents: number;
  idempotencyKey: string | null;
  /** The name of the key of the request. */
  by: string;
}

/** The decision on a posting. A refused posting has no effect. */
export interface Decision {
  outcome: 'posted' | 'unknown_account' | 'sum_beyond' | 'insufficient_funds' | 'key_used_otherwise';
  /** The balance of the payer, or of the payee of a deposit, right after it was posted. */
  balanceCents: number | null;
  transferId: string | null;
}

/** The accounts that a posting locks: both, without cash. */
export function accountsOf({ payer, payee }: Posting): string[] {
  return [payer, payee].filter((number) => number !== CASH);
}

/** Two requests with one key are the same if these texts are equal. */
export function requestOf({ kind, payer, payee, sumCents }: Posting): string {
  return `${kind} ${payer} ${payee} ${sumCents}`;
}
