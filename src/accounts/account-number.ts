import { randomInt } from 'node:crypto';

/** Sixteen digits: the first is not 0, and the last is the check digit. */
const NUMBER = /^[1-9]\d{15}$/;

/** Fourteen random digits are more than `randomInt` takes at once, so they are drawn in two halves. */
const HALF = 10_000_000;

/** A random number that nobody can guess: nine hundred trillion are possible. */
export function newAccountNumber(): string {
  const half = (): string => String(randomInt(HALF)).padStart(7, '0');
  const digits = `${randomInt(1, 10)}${half()}${half()}`;
  return digits + checkDigit(digits);
}

/** Whether a text can be the number of an account. One with a wrong digit, or two adjacent digits swapped, cannot. */
export function isAccountNumber(text: unknown): text is string {
  return typeof text === 'string' && NUMBER.test(text) && checkDigit(text.slice(0, -1)) === text.at(-1);
}

/** ISO 7064, MOD 11,10: it finds every single wrong digit and nearly all transpositions. */
function checkDigit(digits: string): string {
  let carry = 10;
  for (const digit of digits) carry = (((carry + Number(digit)) % 10 || 10) * 2) % 11;
  return String((11 - carry) % 10);
}
