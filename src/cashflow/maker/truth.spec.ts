import { describe, expect, it } from '@jest/globals';
import { CURRENCIES, RATE_DECIMALS, rateText } from './currencies.js';
import { centsText, TrueBalances } from './truth.js';

const place = (code: string) => CURRENCIES.findIndex((currency) => currency.code === code);

/** Every unit is worth 1.25 euros and 0.5 dollars. */
const rates = CURRENCIES.map(({ code }) => ({
  currency: code,
  eur: 125n * 10n ** BigInt(RATE_DECIMALS - 2),
  usd: 5n * 10n ** BigInt(RATE_DECIMALS - 1),
  perEuro: 8n * 10n ** BigInt(RATE_DECIMALS - 1),
}));

function close(additions: readonly (readonly [currency: string, amount: number])[]): string[] {
  const balances = new TrueBalances(2, rates);
  for (const [currency, amount] of additions) balances.add(1, place(currency), amount);
  const [, second] = [...balances.close()];
  return [centsText(second?.eur ?? 0n), centsText(second?.usd ?? 0n)];
}

describe('true balances', () => {
  it('are rounded once, half to even, with either sign', () => {
    expect(close([['GBP', 2]])).toEqual(['0.02', '0.01']);
    expect(close([['GBP', 6]])).toEqual(['0.08', '0.03']);
    expect(close([['GBP', -2]])).toEqual(['-0.02', '-0.01']);
    expect(close([['GBP', -6]])).toEqual(['-0.08', '-0.03']);
    expect(close([['GBP', 1]])).toEqual(['0.01', '0.00']);
    expect(close([['GBP', 3]])).toEqual(['0.04', '0.02']);
    // Each alone would be rounded to nothing.
    expect(
      close([
        ['GBP', 1],
        ['PLN', 1],
      ]),
    ).toEqual(['0.02', '0.01']);
  });

  it('know how many decimals a currency has', () => {
    expect(
      close([
        ['JPY', 3],
        ['KWD', 1500],
        ['EUR', 100],
      ]),
    ).toEqual(['6.88', '2.75']);
  });

  it('refuse sums that doubles cannot hold', () => {
    const balances = new TrueBalances(1, rates);
    for (let time = 0; time < 2; time++) balances.add(0, 0, Number.MAX_SAFE_INTEGER);

    expect(() => [...balances.close()]).toThrow('exceeds what can be added exactly');
  });

  it('are told with rates as texts', () => {
    expect(rates.slice(0, 1).map(({ eur, usd }) => [rateText(eur), rateText(usd)])).toEqual([['1.25', '0.5']]);
  });
});
