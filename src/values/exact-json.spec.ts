import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseExact, rawNumber } from './exact-json.js';

/** The exact value of a decimal literal as a fraction of integers, by schoolbook arithmetic. */
function fractionOf(literal: string): { numerator: bigint; scale: number } {
  const [mantissa = '', exponent = '0'] = literal.toLowerCase().split('e');
  const [integer = '', fraction = ''] = mantissa.split('.');
  return { numerator: BigInt(integer + fraction), scale: Number(exponent) - fraction.length };
}

function isSameNumber(one: string, other: string): boolean {
  const [a, b] = [fractionOf(one), fractionOf(other)];
  const scale = Math.min(a.scale, b.scale);
  return a.numerator * 10n ** BigInt(a.scale - scale) === b.numerator * 10n ** BigInt(b.scale - scale);
}

describe('Parsing JSON without rounding', () => {
  it.each([
    '0',
    '-0',
    '12.34',
    '1e22',
    '0.1',
    '9007199254740992',
    '100000000000000000000000',
    '1.0000000000000000000',
    '0e999',
    '5e-324',
  ])('keeps %s as a number, which holds it exactly', (literal) => {
    expect(parseExact(`{"a":${literal}}`)).toEqual({ a: Number(literal) });
    expect(parseExact(literal)).toBe(Number(literal));
  });

  it.each([
    '9007199254740993',
    '0.1000000000000000055',
    '1e400',
    '-1e400',
    '1e-400',
    '12345678901234567890',
    '-123456789012345.12345',
  ])('keeps %s as its literal, which a number would round', (literal) => {
    for (const text of [literal, ` ${literal}`, `\n${literal}\t`]) {
      expect(rawNumber(parseExact(text))).toBe(literal);
    }
    for (const text of [
      `[${literal}]`,
      `[1, ${literal}]`,
      `{"a":${literal}}`,
      `{"b":[{"a":\r${literal}}]}`,
      `{"a":1,"a":${literal}}`,
    ]) {
      expect(JSON.stringify(parseExact(text))).toContain(literal);
    }
  });

  it('takes no digits inside strings for a number', () => {
    const value = { card: 'no. 4111111111111111, or:1e400', '12345678901234567890': '[1234567890123456789]' };

    expect(parseExact(JSON.stringify(value))).toEqual(value);
  });

  it('tells a raw number from a record that looks like one', () => {
    expect(rawNumber(parseExact('{"rawJSON":"1e400"}'))).toBeNull();
    expect(rawNumber(1)).toBeNull();
    expect(rawNumber(null)).toBeNull();
  });

  it('throws where JSON.parse throws', () => {
    for (const text of ['', '{', '01', '-', '1e', '[1234567890123456789,]', '1 2']) {
      expect(() => parseExact(text)).toThrow(SyntaxError);
    }
  });

  it('takes linear time for a literal of a million digits', () => {
    const literal = `1${'0'.repeat(500_000)}.${'0'.repeat(500_000)}1`;

    expect(rawNumber(parseExact(literal))).toBe(literal);
  });

  it('never changes the value of a number', () => {
    const digits = fc.stringMatching(/^(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?$/);
    const wrap = fc.constantFrom('$', ' $', '[$]', '[0,$]', '{"a":$}', '[{"a":"x"}, -$]', '{"x":[1,2,$\n]}');
    const numberIn = (value: unknown): unknown =>
      typeof value === 'object' && value !== null && rawNumber(value) === null
        ? numberIn(Object.values(value).at(-1))
        : value;
    fc.assert(
      fc.property(digits, wrap, (literal, template) => {
        const value = numberIn(parseExact(template.replace('$', literal)));
        expect(isSameNumber((rawNumber(value) ?? String(value)).replace(/^-/, ''), literal)).toBe(true);
      }),
      { numRuns: Number(process.env['READ_RUNS'] ?? 3000) },
    );
  });
});
