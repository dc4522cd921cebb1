import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isAccountNumber, newAccountNumber } from './account-number.js';

const number = fc.noShrink(fc.constant(null).map(newAccountNumber));

describe('an account number', () => {
  it('has sixteen digits and is never generated twice', () => {
    const numbers = Array.from({ length: 1_000 }, newAccountNumber);

    expect(numbers.filter((one) => !/^[1-9]\d{15}$/.test(one) || !isAccountNumber(one))).toEqual([]);
    expect(new Set(numbers).size).toBe(1_000);
  });

  it('is invalid with one wrong digit', () => {
    fc.assert(
      fc.property(number, fc.nat(15), fc.integer({ min: 1, max: 9 }), (right, place, shift) => {
        const wrong = String((Number(right[place]) + shift) % 10);
        expect(isAccountNumber(right.slice(0, place) + wrong + right.slice(place + 1))).toBe(false);
      }),
    );
  });

  it.each([
    '',
    '1',
    '0000000000000000',
    '12345678901234567',
    '１２３４５６７８９０１２３４５６',
    ' 1234567890123456',
    null,
    5,
  ])('is not %j', (text) => expect(isAccountNumber(text)).toBe(false));
});
