import { describe, expect, it } from '@jest/globals';
import { decimalOf, isNegativeFee, readCents } from './fees.js';

describe('an amount', () => {
  it.each([
    ['$100.00', 10000n],
    ['100', 10000n],
    ['$ 0', 0n],
    ['0.5', 50n],
    ['$1,250.75', 125075n],
    ['12,345,678.90', 1234567890n],
    ['007.10', 710n],
    ['9999999999999.99', 999999999999999n],
    ['0009999999999999', 999999999999900n],
  ])('%s is read in cents', (text, cents) => {
    expect(readCents(text)).toBe(cents);
  });

  it.each([
    '',
    '$',
    '.50',
    '1.',
    '1.005',
    '1.000',
    '1,25',
    '1,25.00',
    '12,34,567',
    ',100',
    '1,000,00',
    '1 000',
    '1e2',
    '$$5',
    '5$',
    '€5',
    '0x10',
    'NaN',
    '+5',
    '(5.00)',
    '10000000000000',
    '１',
  ])('%s is refused', (text) => {
    expect(readCents(text)).toBeNull();
    expect(isNegativeFee(text)).toBe(false);
  });

  it.each(['-1', '-$1.00', '$-1.00', '- $ 0.01', '-0.00'])('%s is negative', (text) => {
    expect(readCents(text)).toBeNull();
    expect(isNegativeFee(text)).toBe(true);
  });

  it.each([
    [0n, '0.00'],
    [5n, '0.05'],
    [-5n, '-0.05'],
    [-12345n, '-123.45'],
    [10n ** 18n, '10000000000000000.00'],
  ])('of %s cents is written as %s', (cents, text) => {
    expect(decimalOf(cents)).toBe(text);
  });
});
