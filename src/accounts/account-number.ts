import { randomInt } from 'node:crypto';

/** Sixteen digits, the first of which is no 0 and the last of which checks the others. */
const NUMBER = /^[1-9]\d{15}$/;

/** Of the fourteen digits that are drawn, each half is below what `randomInt` takes. */
const HALF = 10_000_000;

/** A number that nobody can guess: nine hundred trillion are possible. */
export function newAccountNumber(): string {
  const half = (): string => String(randomInt(HALF)).padStart(7, '0');
  const digits = `${randomInt(1, 10)}${half()}${half()}`;
  return digits + checkDigit(digits);
}

/** Whether a text can be the number of an account. A slip of one digit, or of two neighbours, cannot. */
export function isAccountNumber(text: unknown): text is string {
  return typeof text === 'string' && NUMBER.test(text) && checkDigit(text.slice(0, -1)) === text.at(-1);
}

/** ISO 7064, MOD 11,10: it finds every single wrong digit and nearly all transpositions. */
function checkDigit(digits: string): string {
  let carry = 10;
  for (const digit of digits) carry = (((carry + Number(digit)) % 10 || 10) * 2) % 11;
  return String((11 - carry) % 10);
}
