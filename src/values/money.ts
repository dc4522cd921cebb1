import { withoutTrailing } from './without-trailing.js';

/**
 * Formats an amount for output: at least two decimals, no needless zeros, no rounding.
 * @param decimal a plain decimal as PostgreSQL's `numeric` prints it, such as `7.1000` or `-3`
 * @returns such as `7.10`, `-3.00`, `1.2345`
 */
export function formatMoney(decimal: string): string {
  return formatDecimal(decimal, 2);
}

/** The same with at least as many decimals as `least`. */
export function formatDecimal(decimal: string, least: number): string {
  const [whole = '0', fraction = ''] = decimal.split('.');
  const shown = withoutTrailing('0', fraction).padEnd(least, '0');
  return shown === '' ? whole : `${whole}.${shown}`;
}

const PLAIN = /^(-?)(\d+)(?:\.(\d+))?$/;
const SCIENTIFIC = /^(-?)(\d+)(?:\.(\d+))?[eE]([+-]?\d+)$/;

/** No decimal within our limits needs a larger exponent, however it is written. */
const MAX_EXPONENT = 100;

/** No decimal is read that is longer, zeros included: amounts as text have at most 400 digits on each side of the point. */
export const MAX_DECIMAL_CHARACTERS = 1_000;

/**
 * Reads a decimal literal exactly: a plain decimal, or JSON's number syntax with an exponent.
 * @returns the plain decimal without needless zeros, or null if it is none or has more than `whole` digits before or
 * `fraction` digits after the point, or more than {@link MAX_DECIMAL_CHARACTERS} in all. Nothing is ever rounded.
 */
export function parseDecimal(literal: string, whole: number, fraction: number): string | null {
  if (literal.length > MAX_DECIMAL_CHARACTERS) return null;
  const plain = PLAIN.exec(literal);
  if (plain) return withinLimits(plain[1] ?? '', plain[2] ?? '', plain[3] ?? '', whole, fraction);
  const scientific = SCIENTIFIC.exec(literal);
  if (!scientific) return null;
  const [, sign = '', before = '', after = '', power = '0'] = scientific;
  const digits = before + after;
  if (/^0*$/.test(digits)) return '0';
  const exponent = Number(power);
  if (Math.abs(exponent) > MAX_EXPONENT) return null;
  const point = before.length + exponent;
  const padded = point <= 0 ? '0'.repeat(1 - point) + digits : digits.padEnd(point, '0');
  const cut = Math.max(point, 1);
  return withinLimits(sign, padded.slice(0, cut), padded.slice(cut), whole, fraction);
}

function withinLimits(sign: string, before: string, after: string, whole: number, fraction: number): string | null {
  const integer = before.replace(/^0+(?=\d)/, '');
  const decimals = withoutTrailing('0', after);
  if (decimals.length > fraction || (integer !== '0' && integer.length > whole)) return null;
  if (integer === '0' && decimals === '') return '0';
  return decimals === '' ? sign + integer : `${sign}${integer}.${decimals}`;
}

/** Compares plain decimals exactly. Less than zero: the first one is less. */
export function compareDecimals(one: string, other: string): number {
  const decimals = Math.max(decimalsOf(one), decimalsOf(other));
  const [a, b] = [scaled(one, decimals), scaled(other, decimals)];
  return a < b ? -1 : Number(a > b);
}

function decimalsOf(decimal: string): number {
  const point = decimal.indexOf('.');
  return point === -1 ? 0 : decimal.length - point - 1;
}

function scaled(decimal: string, decimals: number): bigint {
  const [whole = '', fraction = ''] = decimal.split('.');
  return BigInt(whole + fraction.padEnd(decimals, '0'));
}
