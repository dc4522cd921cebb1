import { literal } from '../database/database.js';
import { COUNTRIES } from './iso-3166.js';
import { CURRENCIES } from './iso-4217.js';

/**
 * What is wrong with a transaction, as a sum of bits, which its row keeps in `$verdict`. Zero: nothing. The last is no reason to leave
 * a row out, and is not told apart where rows are summed up.
 */
export const VERDICTS = {
  /** Others have the same id, parties and time, and another amount. */
  batch: 1,
  /** The payer's IBAN does not begin with a code of ISO 3166. */
  payerIban: 2,
  /** The beneficiary's does not. */
  beneficiaryIban: 4,
  /** No currency, or none of ISO 4217. */
  noCurrency: 8,
  /** The same row was delivered several times. */
  duplicate: 16,
} as const;

/** The bits that may leave a row out. */
export const EXCLUDING = VERDICTS.duplicate - 1;

/** Which rows count. */
export interface CleaningRules {
  includeBatch: boolean;
  /** Whether one invalid IBAN is enough to leave a row out, or only both together. */
  ibanRule: 'either' | 'both';
}

/** The verdicts of rows that count, of those below {@link VERDICTS.duplicate}. */
export function countedVerdicts({ includeBatch, ibanRule }: CleaningRules): number[] {
  const { batch, payerIban, beneficiaryIban, noCurrency } = VERDICTS;
  const bothIbans = payerIban | beneficiaryIban;
  return Array.from({ length: VERDICTS.duplicate }, (_, verdict) => verdict).filter((verdict) => {
    if ((verdict & noCurrency) !== 0 || (!includeBatch && (verdict & batch) !== 0)) return false;
    const invalid = verdict & bothIbans;
    return ibanRule === 'both' ? invalid !== bothIbans : invalid === 0;
  });
}

/** SQL: what is wrong with the row `t` of transactions by itself. */
export function ownVerdict(t: string): string {
  const isCountry = (column: string) => `left(${t}.${column}, 2) = any(${list(COUNTRIES)})`;
  const hasCurrency = `${t}.currency = any(${list(CURRENCIES)})`;
  return `(case when ${isCountry('"payerIban"')} then 0 else ${VERDICTS.payerIban} end
    | case when ${isCountry('"beneficiaryIban"')} then 0 else ${VERDICTS.beneficiaryIban} end
    | case when ${hasCurrency} then 0 else ${VERDICTS.noCurrency} end
    | case when ${t}.copies > 1 then ${VERDICTS.duplicate} else 0 end)`;
}

function list(codes: readonly string[]): string {
  return `${literal(`{${codes.join(',')}}`)}::text[]`;
}

/** The kinds that callers know, in the order in which they are told. */
export const KINDS = ['batch', 'duplicate', 'invalid_iban', 'no_currency'] as const;
export type Kind = (typeof KINDS)[number];

/** The bits of a kind. */
export const BITS_OF: Readonly<Record<Kind, number>> = {
  batch: VERDICTS.batch,
  duplicate: VERDICTS.duplicate,
  invalid_iban: VERDICTS.payerIban | VERDICTS.beneficiaryIban,
  no_currency: VERDICTS.noCurrency,
};

export function kindsOf(verdict: number): Kind[] {
  return KINDS.filter((kind) => (verdict & BITS_OF[kind]) !== 0);
}
