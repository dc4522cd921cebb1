import { describe, expect, it } from '@jest/globals';
import { formatMoney, MAX_DECIMAL_CHARACTERS, parseDecimal } from './money.js';

const zeros = (count: number) => '0'.repeat(count);

describe('a decimal', () => {
  it.each([
    ['7', '7'],
    ['-0.50', '-0.5'],
    ['007.100', '7.1'],
    ['-0.0', '0'],
    ['1.2e3', '1200'],
    ['12345E-4', '1.2345'],
    [`1.${zeros(998)}`, '1'],
    [`${zeros(990)}1.5`, '1.5'],
    [`10${zeros(4)}e-5`, '1'],
  ])('%s is read exactly', (literal, decimal) => {
    expect(parseDecimal(literal, 15, 4)).toBe(decimal);
  });

  it.each([
    '',
    '-',
    '.5',
    '1.',
    '1e',
    '+1',
    '0x1',
    '1.00001',
    '1e15',
    `1.${zeros(900)}1`,
    `1.${zeros(999)}`,
    ' 1',
    '1 ',
  ])('%s is not read', (literal) => {
    expect(parseDecimal(literal, 15, 4)).toBeNull();
  });

  it('that is read may have up to 1,000 characters', () => {
    expect(MAX_DECIMAL_CHARACTERS).toBe(1_000);
    expect(parseDecimal(zeros(1_000), 15, 4)).toBe('0');
    expect(parseDecimal(zeros(1_001), 15, 4)).toBeNull();
  });
});

it.each([
  ['7.1000', '7.10'],
  ['-3', '-3.00'],
  ['1.2345', '1.2345'],
  ['0', '0.00'],
])('%s is written as %s', (decimal, amount) => {
  expect(formatMoney(decimal)).toBe(amount);
});
