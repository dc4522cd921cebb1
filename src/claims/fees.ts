/** Digits before the point: an amount of ten trillion or more is a typing error. */
const MAX_WHOLE_DIGITS = 13;

/** Commas between all thousands or none. */
const DIGITS = /^(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d{1,2}))?$/;

interface Fee {
  isNegative: boolean;
  whole: string;
  fraction: string;
}

/** Whether an amount is well-formed but has a minus sign, `-0` included. */
export function isNegativeFee(text: string): boolean {
  return readFee(text)?.isNegative ?? false;
}

/**
 * Reads a trimmed amount such as `$1,250.00` in cents. Commas are only allowed between thousands: in some countries `1,25`
 * means 1.25, and reading it as 125 would be wrong by a factor of a hundred.
 * @returns null for anything else, negative amounts included
 */
export function readCents(text: string): bigint | null {
  const fee = readFee(text);
  if (fee === null || fee.isNegative) return null;
  const digits = fee.whole.replaceAll(',', '').replace(/^0+(?=\d)/, '');
  return digits.length > MAX_WHOLE_DIGITS ? null : BigInt(digits + fee.fraction.padEnd(2, '0'));
}

/**
 * An optional dollar sign with blanks around it, a minus sign before or after it, and the digits. Step by step: with all the
 * blanks in one regular expression, `-`, 2,000 blanks and `x` took 7.6 s.
 */
function readFee(text: string): Fee | null {
  const [minus, unsigned] = withoutLeading('-', text);
  const [, amount] = withoutLeading('$', unsigned);
  const [innerMinus, digits] = withoutLeading('-', amount);
  const [, whole, fraction = ''] = DIGITS.exec(digits) ?? [];
  return whole === undefined ? null : { isNegative: minus || innerMinus, whole, fraction };
}

/** @returns whether a text begins with a sign, and the text without it and the blanks after it */
function withoutLeading(sign: string, text: string): [isThere: boolean, rest: string] {
  const isThere = text.startsWith(sign);
  return [isThere, text.slice(isThere ? sign.length : 0).trimStart()];
}

/** Writes cents of either sign as a decimal such as `-0.05`. */
export function decimalOf(cents: bigint): string {
  const digits = (cents < 0n ? -cents : cents).toString().padStart(3, '0');
  return `${cents < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
