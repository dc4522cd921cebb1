/** Digits before the point: an amount of ten trillion or more is a typing error. */
const MAX_WHOLE_DIGITS = 13;

/** An optional dollar sign with blanks around it, and commas between all thousands or none. */
const AMOUNT = /^(-?)\s*\$?\s*(-?)\s*(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d{1,2}))?$/;

/** Whether an amount is well-formed but has a minus sign, `-0` included. */
export function isNegativeFee(text: string): boolean {
  const [, minus, innerMinus] = AMOUNT.exec(text) ?? [];
  return minus === '-' || innerMinus === '-';
}

/**
 * Reads a trimmed amount such as `$1,250.00` in cents. Commas are only allowed between thousands: in some countries `1,25`
 * means 1.25, and reading it as 125 would be wrong by a factor of a hundred.
 * @returns null for anything else, negative amounts included
 */
export function readCents(text: string): bigint | null {
  const [, minus, innerMinus, whole = '', fraction = ''] = AMOUNT.exec(text) ?? [];
  const digits = whole.replaceAll(',', '').replace(/^0+(?=\d)/, '');
  if (digits === '' || digits.length > MAX_WHOLE_DIGITS || minus === '-' || innerMinus === '-') return null;
  return BigInt(digits + fraction.padEnd(2, '0'));
}

/** Writes cents of either sign as a decimal such as `-0.05`. */
export function decimalOf(cents: bigint): string {
  const digits = (cents < 0n ? -cents : cents).toString().padStart(3, '0');
  return `${cents < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
