import { describe, expect, it } from '@jest/globals';
import { compareValues, orderOf, readBound } from './bounds.js';
import { type ColumnType, columnType, Fault } from './column-types.js';

const typeOf = (name: string) => columnType(name) as ColumnType;

describe('a bound of a range', () => {
  it.each([
    ['integer', '9223372036854775807', '9223372036854775808'],
    ['integer', '-99999999999999999999', '-9223372036854775808'],
    ['decimal(4,2)', '99.99', '100'],
    ['decimal(4,2)', '1.23', '1.2345'],
    ['decimal(4,2)', '-1.2345', '-1.23'],
    ['decimal(38,38)', `0.${'9'.repeat(38)}`, `0.${'9'.repeat(39)}`],
    ['date', '9999-12-31', '10000-01-01'],
    ['instant', '9999-12-31T23:59:59.999999Z', '10000-01-01'],
    ['instant', '9999-12-31T23:59:59.999999Z', '10000-01-01T00:00:00.000Z'],
  ])('of type %s: %s comes before %s, though not both are values of it', (name, low, high) => {
    const type = typeOf(name);
    const [one, other] = [readBound(type, low), readBound(type, high)] as [string, string];

    expect(compareValues(type, one, other)).toBeLessThan(0);
    expect(compareValues(type, other, one)).toBeGreaterThan(0);
    expect(compareValues(type, other, other)).toBe(0);
    expect([type.read(low), type.read(high)].some((read) => read instanceof Fault)).toBe(true);
    if (name === 'date' || name === 'instant')
      expect(BigInt(orderOf(type, one))).toBeLessThan(BigInt(orderOf(type, other)));
  });

  it.each([
    ['integer', '1.5'],
    ['integer', '1e3'],
    ['integer', ''],
    ['integer', '9'.repeat(401)],
    ['decimal(4,2)', 'much'],
    ['decimal(4,2)', `1.${'9'.repeat(401)}`],
    ['date', '10000-01-02'],
    ['date', '10000-01-01T00:00:00Z'],
    ['date', '2026-02-30'],
    ['instant', '10000-01-01T00:00:01Z'],
    ['instant', '10000-01-01T00:00:00+01:00'],
    ['instant', `10000-01-01T00:00:00.${'0'.repeat(300_000)}Z`],
  ])('of type %s is not %.40s', (name, text) => {
    expect(readBound(typeOf(name), text)).toBeInstanceOf(Fault);
  });
});
