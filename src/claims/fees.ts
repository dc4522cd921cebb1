/** Digits before the point: a line of ten trillion is a slip of the keyboard. */
const MAX_WHOLE_DIGITS = 13;

/** A dollar sign, blanks around it, and commas between thousands or none at all. */
const AMOUNT = /^(-?)\s*\$?\s*(-?)\s*(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d{1,2}))?$/;

/** Whether an amount is well written but less than nothing; a `-` of nothing at all is no better. */
export function isNegativeFee(text: string): boolean {
  const [, before, behind] = AMOUNT.exec(text) ?? [];
  return before === '-' || behind === '-';
}

/**
 * Reads an amount such as `$1,250.00`, without blanks around it, to the cent. Commas must stand between thousands: `1,25`
 * is what others write for 1.25, and reading it as 125 would be wrong by a hundred times.
 * @returns null for what is no such amount
 */
export function readCents(text: string): bigint | null {
  const [, before, behind, whole = '', fraction = ''] = AMOUNT.exec(text) ?? [];
  const digits = whole.replaceAll(',', '').replace(/^0+(?=\d)/, '');
  if (digits === '' || digits.length > MAX_WHOLE_DIGITS || before === '-' || behind === '-') return null;
  return BigInt(digits + fraction.padEnd(2, '0'));
}

/** Cents of either sign as a decimal: `-0.05`. */
export function decimalOf(cents: bigint): string {
  const digits = (cents < 0n ? -cents : cents).toString().padStart(3, '0');
  return `${cents < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
