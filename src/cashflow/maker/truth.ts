import { CURRENCIES, type Rate, RATE_DECIMALS } from './currencies.js';

/** The balance of a company in whole cents, at the end of a quarter. */
export interface ClosingBalance {
  /** Counted from 0. */
  company: number;
  eur: bigint;
  usd: bigint;
}

/** Amounts are added up with as many digits after the point as the finest currency has. */
const MOST_DECIMALS = 3;

/** A sum in the smallest units of a currency, by which it is a sum with {@link MOST_DECIMALS} digits. */
const SCALES: readonly bigint[] = CURRENCIES.map(({ decimals }) => 10n ** BigInt(MOST_DECIMALS - decimals));

/** By what converted sums are divided, so that cents are left. */
const CENT = 10n ** BigInt(MOST_DECIMALS + RATE_DECIMALS - 2);

/**
 * The balances that an exact analysis has to find. They are kept while rows are made, by code that no analysis uses: a sum in
 * whole units for each company and currency; converted exactly, and rounded once, half to even.
 */
export class TrueBalances {
  /** Whole numbers below 2^53, which doubles hold exactly; checked wherever they are read. */
  private readonly sums: Float64Array;

  constructor(
    private readonly companies: number,
    private readonly rates: readonly Rate[],
  ) {
    this.sums = new Float64Array(companies * CURRENCIES.length);
  }

  /** @param company -1: of no company */
  add(company: number, currency: number, amount: number): void {
    if (company < 0) return;
    const place = company * CURRENCIES.length + currency;
    this.sums[place] = (this.sums[place] as number) + amount;
  }

  /** All balances as they are now. */
  *close(): Generator<ClosingBalance> {
    for (let company = 0; company < this.companies; company++) {
      let [eur, usd] = [0n, 0n];
      for (let currency = 0; currency < CURRENCIES.length; currency++) {
        const sum = this.sums[company * CURRENCIES.length + currency] as number;
        if (sum === 0) continue;
        if (!Number.isSafeInteger(sum)) throw new Error('a sum of amounts exceeds what can be added exactly');
        const { eur: eurRate, usd: usdRate } = this.rates[currency] as Rate;
        const scaled = BigInt(sum) * (SCALES[currency] as bigint);
        eur += scaled * eurRate;
        usd += scaled * usdRate;
      }
      yield { company, eur: divideHalfEven(eur, CENT), usd: divideHalfEven(usd, CENT) };
    }
  }
}

function divideHalfEven(dividend: bigint, divisor: bigint): bigint {
  const magnitude = dividend < 0n ? -dividend : dividend;
  const quotient = magnitude / divisor;
  const twice = (magnitude % divisor) * 2n;
  const isUp = twice > divisor || (twice === divisor && quotient % 2n === 1n);
  const rounded = quotient + (isUp ? 1n : 0n);
  return dividend < 0n ? -rounded : rounded;
}

/** Cents as text: `-12.05`. */
export function centsText(cents: bigint): string {
  const digits = String(cents < 0n ? -cents : cents).padStart(3, '0');
  return `${cents < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
