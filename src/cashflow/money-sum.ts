import { type Exact, exact, product } from '../values/exact-decimal.js';
import type { Rates, Target } from './rates.js';

/** Amounts in several currencies, summed up exactly in one. What has no rate is noted. */
export class MoneySum {
  private readonly missing = new Map<string, { count: number; amount: Exact }>();

  constructor(
    private readonly rates: Rates,
    private readonly target: Target,
  ) {}

  /** What an amount is worth in the target; null without a rate. */
  worth(currency: string, amount: Exact): Exact | null {
    const rate = this.rates.worth.get(currency)?.[this.target];
    return rate === undefined ? null : product(amount, rate);
  }

  /** The same, zero without a rate. */
  worthOf(currency: string, amount: string): Exact {
    return this.worth(currency, exact(amount)) ?? 0n;
  }

  /** Notes transactions that could not be converted, if they could not. */
  noteMissing(currency: string, count: number, amount: Exact): void {
    if (this.rates.worth.get(currency)?.[this.target] !== undefined) return;
    const noted = this.missing.get(currency) ?? { count: 0, amount: 0n };
    this.missing.set(currency, { count: noted.count + count, amount: noted.amount + amount });
  }

  get missingRates(): { currency: string; count: number; amount: Exact }[] {
    return [...this.missing]
      .map(([currency, noted]) => ({ currency, ...noted }))
      .toSorted((one, other) => (one.currency < other.currency ? -1 : 1));
  }
}
