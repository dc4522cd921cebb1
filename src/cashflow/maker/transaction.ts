/** What is wrong with a row on purpose. */
export type DirtyKind = 'batch' | 'duplicate' | 'invalid_iban' | 'no_currency';

/** One row of the data. Parties and currencies are given by their places. */
export interface Transaction {
  id: string;
  payer: number;
  beneficiary: number;
  /** In the smallest units of the currency. */
  amount: number;
  /** -1: none. -2: one that does not exist. */
  currency: number;
  /** Microseconds of the day. */
  timeUs: number;
  kinds: readonly DirtyKind[];
  /** How often the row is there. */
  copies: 1 | 2;
}

export const NO_CURRENCY = -1;
export const UNKNOWN_CURRENCY = -2;

/** A code that looks like one of ISO 4217 but is none: the original data of this kind has it. */
export const UNKNOWN_CURRENCY_CODE = 'SGP';
