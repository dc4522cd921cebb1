import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { exact, product, quotient, toCents, toDecimal } from './exact-decimal.js';

describe('cents', () => {
  it.each([
    ['0', '0.00'],
    ['0.005', '0.00'],
    ['0.015', '0.02'],
    ['0.025', '0.02'],
    ['0.0250000000000000000000000000000000000001', '0.03'],
    ['-0.005', '0.00'],
    ['-0.015', '-0.02'],
    ['-0.025', '-0.02'],
    ['-0.001', '0.00'],
    ['1234567890123456789.995', '1234567890123456790.00'],
    ['-12.3', '-12.30'],
  ])('of %s are %s, half to even', (decimal, cents) => {
    expect(toCents(exact(decimal))).toBe(cents);
  });
});

describe('a product', () => {
  it('is exact, whatever the signs', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (one, other) => {
        const [a, b] = [exact(decimalOf(one, 4)), exact(decimalOf(other, 30))];
        expect(toDecimal(product(a, b))).toBe(toDecimal(exact(decimalOf(BigInt(one) * BigInt(other), 34))));
      }),
    );
  });

  it('of more digits than there is room for is refused', () => {
    expect(() => product(exact('0.000000000000000000001'), exact('0.000000000000000000001'))).toThrow('not exact');
  });
});

/** A whole number of `places`th places. */
function decimalOf(value: bigint | number, places: number): string {
  const digits = String(value)
    .replace('-', '')
    .padStart(places + 1, '0');
  return `${String(value).startsWith('-') ? '-' : ''}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

describe('a quotient', () => {
  it.each([
    ['1', '3', 4, '0.3333'],
    ['2', '3', 4, '0.6667'],
    ['1', '8', 2, '0.12'],
    ['3', '8', 2, '0.38'],
    ['-1', '8', 2, '-0.12'],
    ['1', '1300', 30, '0.000769230769230769230769230769'],
  ])('of %s and %s to %i places is %s', (dividend, divisor, places, expected) => {
    expect(toDecimal(quotient(exact(dividend), exact(divisor), places))).toBe(expected);
  });
});
