import { Refusal } from '../http/refusal.js';

/** A refusal of the ledger. Its problem also carries `error`, a fixed text that callers of accounts rely on. */
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

/** There is no such account, it belongs to another source, or the number is invalid. */
export function unknownAccount(): Refusal {
  return new AccountRefusal(404, 'unknown_account', 'account does not exist', 'There is no such account.');
}

/** The sum is invalid, or a balance would exceed what JSON readers take exactly. */
export function invalidSum(): Refusal {
  const detail =
    'A sum is a whole number of cents without sign or leading zeros, and no balance may pass 9007199254740991.';
  return new AccountRefusal(400, 'invalid_sum', 'transaction sum is invalid', detail);
}

/** The balance and the overdraft limit together are less than the sum. */
export function insufficientFunds(): Refusal {
  return new AccountRefusal(
    409,
    'insufficient_funds',
    'insufficient funds',
    'The account does not have enough money for that.',
  );
}

/** The Idempotency-Key was used for another request. */
export function idempotencyKeyReused(): Refusal {
  const detail = 'The Idempotency-Key has been used for another request. A new request needs a new key.';
  return new Refusal(422, 'idempotency_key_reused', detail);
}
