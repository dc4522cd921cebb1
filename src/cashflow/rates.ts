import { type Exact, exact, quotient, toDecimal } from '../values/exact-decimal.js';

/** The currencies in which answers are given. */
export const TARGETS = ['EUR', 'USD'] as const;
export type Target = (typeof TARGETS)[number];

/** What the rates of a source mean. */
export type RateMeaning = 'worth' | 'perEuro';

/** A rate as its source sent it. */
export interface SentRate {
  currency: string;
  eurRate: string | null;
  usdRate: string | null;
}

/** What currencies are worth. */
export interface Rates {
  meaning: RateMeaning;
  /** They fit neither meaning: they were taken as named, and answers say so. */
  isSuspect: boolean;
  /** What a unit is worth in each target; a currency that lacks one has no rate for it. */
  worth: ReadonlyMap<string, Partial<Record<Target, Exact>>>;
}

/** How much the quotients of rates that say what a unit is worth may differ, and the products of the others. */
const QUOTIENTS_ALIKE = 1.05;
const PRODUCTS_ALIKE = 1.1;

/** A rate that is turned round is rounded to so many digits, half to even: amounts have four, and products must be exact. */
const RATE_PLACES = 30;

type RateField = 'eurRate' | 'usdRate';

/**
 * Finds out what rates mean, by the rules of docs/cashflow.md: either field says what a unit is worth in that currency (the
 * quotients are alike, as each is what a euro is worth in dollars), or one says how many units a euro costs and the other what a
 * unit is worth in dollars (the products are alike).
 * @param asked what somebody has said that they mean
 */
export function readRates(sent: readonly SentRate[], asked: RateMeaning | 'auto'): Rates {
  const perEuro = perEuroField(sent);
  const meaning = asked === 'auto' ? meaningOf(sent, perEuro) : asked;
  if (meaning === 'perEuro' && perEuro !== null) {
    const dollars = other(perEuro);
    const worth = sent.map((rate) => ({
      currency: rate.currency,
      EUR: turnedRound(rate[perEuro]),
      USD: positive(rate[dollars]),
    }));
    return { meaning, isSuspect: false, worth: byCurrency(worth) };
  }
  const worth = sent.map((rate) => ({
    currency: rate.currency,
    EUR: positive(rate.eurRate),
    USD: positive(rate.usdRate),
  }));
  return { meaning: 'worth', isSuspect: sent.length > 0 && meaning !== 'worth', worth: byCurrency(worth) };
}

/** For statements: what a unit is worth in the target, as decimals by currency. */
export function ratesFor({ worth }: Rates, target: Target): Record<string, string> {
  const known = [...worth].flatMap(([currency, rates]) => {
    const rate = rates[target];
    return rate === undefined ? [] : [[currency, toDecimal(rate)]];
  });
  return Object.fromEntries(known) as Record<string, string>;
}

function meaningOf(sent: readonly SentRate[], perEuro: RateField | null): RateMeaning | null {
  const isOne = (currency: string, field: RateField) => fieldOf(sent, currency, field) === 1;
  const both = sent.flatMap(({ currency, eurRate, usdRate }) => {
    const [eur, usd] = [Number(eurRate), Number(usdRate)];
    return eur > 0 && usd > 0 ? [{ currency, eur, usd }] : [];
  });
  if (isOne('EUR', 'eurRate') && isOne('USD', 'usdRate')) {
    if (
      areAlike(
        both.map(({ eur, usd }) => usd / eur),
        QUOTIENTS_ALIKE,
      )
    )
      return 'worth';
  }
  const others = both.filter(({ currency }) => currency !== 'EUR' && currency !== 'USD');
  const products = others.map(({ eur, usd }) => usd * eur);
  return perEuro !== null && products.length > 0 && areAlike(products, PRODUCTS_ALIKE) ? 'perEuro' : null;
}

/** The field in which a euro is 1, if a dollar is 1 in the other one. */
function perEuroField(sent: readonly SentRate[]): RateField | null {
  const fields: RateField[] = ['usdRate', 'eurRate'];
  const isIt = (field: RateField) => fieldOf(sent, 'EUR', field) === 1 && fieldOf(sent, 'USD', other(field)) === 1;
  return fields.find(isIt) ?? null;
}

function fieldOf(sent: readonly SentRate[], currency: string, field: RateField): number {
  return Number(sent.find((rate) => rate.currency === currency)?.[field]);
}

function other(field: RateField): RateField {
  return field === 'eurRate' ? 'usdRate' : 'eurRate';
}

function areAlike(values: number[], factor: number): boolean {
  return Math.max(...values) <= Math.min(...values) * factor;
}

function positive(rate: string | null): Exact | undefined {
  const value = rate === null ? 0n : exact(rate);
  return value > 0n ? value : undefined;
}

function turnedRound(rate: string | null): Exact | undefined {
  const value = positive(rate);
  return value === undefined ? undefined : quotient(exact('1'), value, RATE_PLACES);
}

function byCurrency(
  rates: ({ currency: string } & Record<Target, Exact | undefined>)[],
): Map<string, Partial<Record<Target, Exact>>> {
  return new Map(
    rates.map(({ currency, EUR, USD }) => [
      currency,
      { ...(EUR === undefined ? {} : { EUR }), ...(USD === undefined ? {} : { USD }) },
    ]),
  );
}
