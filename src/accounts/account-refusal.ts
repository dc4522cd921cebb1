import { Refusal } from '../platform/refusal.js';

/** A "no" of the ledger. Besides the problem it says in `error` what callers of accounts go by. */
class AccountRefusal extends Refusal {
  constructor(
    status: number,
    code: string,
    private readonly error: string,
    detail: string,
  ) {
    super(status, code, detail);
  }

  override toProblem(): Record<string, unknown> {
    return { ...super.toProblem(), error: this.error };
  }
}

/** There is no such account, or it is another source's, or the number is none. */
export function unknownAccount(): Refusal {
  return new AccountRefusal(404, 'unknown_account', 'account does not exist', 'There is no such account.');
}

/** What is to be moved is no sum, or a balance would be more than can be told exactly. */
export function invalidSum(): Refusal {
  const detail =
    'A sum is a whole number of cents without sign or leading zeros, and no balance may pass 9007199254740991.';
  return new AccountRefusal(400, 'invalid_sum', 'transaction sum is invalid', detail);
}

/** The balance and the overdraft together are less than the sum. */
export function insufficientFunds(): Refusal {
  return new AccountRefusal(
    409,
    'insufficient_funds',
    'insufficient funds',
    'The account has not enough money for that.',
  );
}

/** The key has been used for something else. */
export function keyUsedOtherwise(): Refusal {
  const detail = 'The Idempotency-Key has been used for another request. A new request wants a new key.';
  return new Refusal(422, 'idempotency_key_reused', detail);
}
