import type { Random } from './random.js';

/** A currency: how many digits its amounts have after the point, and about how many units a euro costs. */
export interface Currency {
  code: string;
  decimals: 0 | 2 | 3;
  perEuro: number;
  /** How often SWIFT transactions are in it, in parts of about 100. */
  weight: number;
}

/** The euro first. All of them are in ISO 4217, then and now. */
export const CURRENCIES: readonly Currency[] = [
  ['EUR', 2, 1, 24],
  ['USD', 2, 1.12, 26],
  ['GBP', 2, 0.85, 9],
  ['CHF', 2, 0.97, 6],
  ['JPY', 0, 130, 4],
  ['SEK', 2, 10.8, 3],
  ['NOK', 2, 10.4, 3],
  ['DKK', 2, 7.45, 3],
  ['PLN', 2, 4.6, 3],
  ['CZK', 2, 25, 2],
  ['HUF', 2, 360, 1],
  ['RON', 2, 4.9, 1],
  ['TRY', 2, 8, 2],
  ['ILS', 2, 3.9, 1],
  ['AED', 2, 4.1, 2],
  ['SAR', 2, 4.2, 1],
  ['KWD', 3, 0.34, 1],
  ['TND', 3, 3.2, 1],
  ['INR', 2, 86, 2],
  ['CNY', 2, 7.8, 2],
  ['HKD', 2, 9.2, 1],
  ['SGD', 2, 1.6, 1],
  ['KRW', 0, 1300, 1],
  ['AUD', 2, 1.6, 2],
  ['CAD', 2, 1.5, 2],
  ['BRL', 2, 5.1, 1],
  ['MXN', 2, 20, 1],
  ['ZAR', 2, 16, 1],
].map(([code, decimals, perEuro, weight]) => ({ code, decimals, perEuro, weight }) as Currency);

/** What a currency is worth, with {@link RATE_DECIMALS} digits after the point. */
export interface Rate {
  currency: string;
  /** What one unit is worth in euros. */
  eur: bigint;
  /** What one unit is worth in dollars. */
  usd: bigint;
  /** How many units a euro is worth: exactly the other way round of `eur`. */
  perEuro: bigint;
}

export const RATE_DECIMALS = 10;

const ONE = 10n ** BigInt(RATE_DECIMALS);

/** A rate in dollars lies within this many thousandths of what the rates in euros say. */
const USD_NOISE_PER_MILLE = 8;

/**
 * Draws rates near the real ones. Each rate to the euro is a product of powers of 2 and 5: such a number and its reciprocal
 * both end after a few digits, so a rate can be turned round without rounding, and balances come out the same whether it
 * says what a unit is worth or how many a euro costs.
 */
export function drawRates(random: Random): Rate[] {
  const drawn = CURRENCIES.map(({ code, perEuro }) => ({ code, perEuro: drawPerEuro(random, perEuro) }));
  const dollarsPerEuro = drawn.find(({ code }) => code === 'USD')?.perEuro ?? ONE;
  return drawn.map(({ code, perEuro }) => {
    const eur = (ONE * ONE) / perEuro;
    const noise = BigInt(1000 + random.between(-USD_NOISE_PER_MILLE, USD_NOISE_PER_MILLE));
    const exact = (dollarsPerEuro * ONE) / perEuro;
    const usd = code === 'USD' ? ONE : code === 'EUR' ? dollarsPerEuro : keepDigits((exact * noise) / 1000n);
    return { currency: code, eur, usd, perEuro };
  });
}

/** One of the two nearest numbers that can be turned round; 1 stays 1. */
function drawPerEuro(random: Random, about: number): bigint {
  if (about === 1) return ONE;
  const distance = (value: bigint) => Math.abs(Number(value) / Number(ONE) / about - 1);
  const [nearest, next] = TURNABLE.toSorted((one, other) => distance(one) - distance(other)) as [bigint, bigint];
  const chosen = random.chance(0.5) ? nearest : next;
  return distance(chosen) < 0.2 ? chosen : nearest;
}

/** 2^a × 5^b with at most {@link RATE_DECIMALS} digits after the point, and the same of its reciprocal; without 1. */
const TURNABLE: readonly bigint[] = Array.from({ length: 21 * 21 }, (_, place) => {
  const [two, five] = [Math.floor(place / 21) - 10, (place % 21) - 10];
  return (ONE * 2n ** BigInt(two + 10) * 5n ** BigInt(five + 10)) / ONE;
}).filter((value) => value !== ONE);

/** Sets all digits after the sixth that counts to zero. */
function keepDigits(value: bigint): bigint {
  const unit = 10n ** BigInt(Math.max(0, String(value).length - 6));
  return (value / unit) * unit;
}

/** A rate as text, such as `0.9765625` or `1`. */
export function rateText(rate: bigint): string {
  const text = String(rate).padStart(RATE_DECIMALS + 1, '0');
  const fraction = text.slice(-RATE_DECIMALS).replace(/0{1,10}$/, '');
  const whole = text.slice(0, -RATE_DECIMALS);
  return fraction === '' ? whole : `${whole}.${fraction}`;
}

const TWO_DIGITS = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, '0'));

/** An amount in its smallest units as text: 1250 is `12.50` with two decimals, `1250` without any. */
export function amountText(minor: number, decimals: 0 | 2 | 3): string {
  if (decimals === 0) return String(minor);
  if (decimals === 2) {
    const whole = Math.floor(minor / 100);
    return `${whole}.${TWO_DIGITS[minor - whole * 100]}`;
  }
  const whole = Math.floor(minor / 1000);
  return `${whole}.${String(minor - whole * 1000).padStart(3, '0')}`;
}

/**
 * Turns a rate round, as text: what a unit is worth becomes how many a euro costs.
 * @throws Error if the result does not end within {@link RATE_DECIMALS} digits; rates of ours do
 */
export function invertRate(text: string): string {
  const [whole = '', fraction = ''] = text.split('.');
  const rate = BigInt(whole + fraction.padEnd(RATE_DECIMALS, '0'));
  if (rate === 0n || (ONE * ONE) % rate !== 0n) throw new Error(`the rate ${text} cannot be turned round exactly`);
  return rateText((ONE * ONE) / rate);
}
