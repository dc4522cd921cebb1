import { withoutTrailing } from './without-trailing.js';

/** Digits after the point of an {@link Exact}: those of an amount and of a rate together. */
export const EXACT_SCALE = 40;

const ONE = 10n ** BigInt(EXACT_SCALE);

/** A decimal number as a whole number of its {@link EXACT_SCALE}th places. */
export type Exact = bigint;

/** @param decimal a plain decimal as PostgreSQL prints it, with at most {@link EXACT_SCALE} digits after the point */
export function exact(decimal: string): Exact {
  const [whole = '', fraction = ''] = decimal.split('.');
  if (fraction.length > EXACT_SCALE) throw new Error(`a decimal with more than ${EXACT_SCALE} digits after the point`);
  return BigInt(whole + fraction.padEnd(EXACT_SCALE, '0'));
}

/** The product of two numbers whose digits after the point are together at most {@link EXACT_SCALE}. */
export function product(one: Exact, other: Exact): Exact {
  const scaled = one * other;
  if (scaled % ONE !== 0n) throw new Error('a product that is not exact');
  return scaled / ONE;
}

/** The quotient to `places` digits after the point, rounded half to even. */
export function quotient(dividend: Exact, divisor: Exact, places: number): Exact {
  const unit = 10n ** BigInt(EXACT_SCALE - places);
  return halfToEven(dividend * ONE, divisor * unit) * unit;
}

/** Rounded half to even to cents, as money leaves: `-12.30`. */
export function toCents(value: Exact): string {
  const cents = halfToEven(value, ONE / 100n);
  const digits = String(cents < 0n ? -cents : cents).padStart(3, '0');
  return `${cents < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

function halfToEven(dividend: bigint, divisor: bigint): bigint {
  const isNegative = dividend < 0n !== divisor < 0n;
  const [over, by] = [dividend < 0n ? -dividend : dividend, divisor < 0n ? -divisor : divisor];
  const whole = over / by;
  const twice = 2n * (over % by);
  const rounded = twice > by || (twice === by && whole % 2n === 1n) ? whole + 1n : whole;
  return isNegative ? -rounded : rounded;
}

/** All digits, without needless zeros at the end. */
export function toDecimal(value: Exact): string {
  const digits = String(value < 0n ? -value : value).padStart(EXACT_SCALE + 1, '0');
  const fraction = withoutTrailing('0', digits.slice(-EXACT_SCALE));
  return `${value < 0n ? '-' : ''}${digits.slice(0, -EXACT_SCALE)}${fraction === '' ? '' : `.${fraction}`}`;
}
