import { describe, expect, it } from '@jest/globals';
import { formatInstant, isCalendarDay, parseInstant } from './calendar.js';

const zeros = (count: number) => '0'.repeat(count);

describe('a calendar day', () => {
  it.each([
    '0001-01-01',
    '0004-02-29',
    '1900-02-28',
    '2000-02-29',
    '2024-02-29',
    '2026-04-30',
    '2026-12-31',
    '9999-12-31',
  ])('%s exists', (text) => {
    expect(isCalendarDay(text)).toBe(true);
  });

  it.each([
    // The calendar has no year 0, and PostgreSQL would take it for one before Christ.
    '0000-01-01',
    '10000-01-01',
    '-001-01-01',
    '2023-02-29',
    // Of whole centuries only every fourth one is a leap year.
    '1900-02-29',
    '2100-02-29',
    '2026-02-30',
    '2026-04-31',
    '2026-00-10',
    '2026-13-10',
    '2026-01-00',
    '2026-01-32',
    '',
    '2026-1-1',
    '20261121',
    '2026/11/21',
    '21-11-2026',
    '2026-11-21 ',
    ' 2026-11-21',
    '2026-11-21\n',
    '2026-11-2x',
    '2026-11-21T00:00:00Z',
    // Digits of another script.
    '٢٠٢٦-11-21',
    'infinity',
  ])('%j does not', (text) => {
    expect(isCalendarDay(text)).toBe(false);
  });

  it('exists as often as in the calendar of JavaScript', () => {
    const pad = (number: number) => String(number).padStart(2, '0');
    const texts = [1896, 1900, 2000, 2023, 2024, 2100].flatMap((year) =>
      Array.from({ length: 14 * 33 }, (_, n) => `${year}-${pad(Math.floor(n / 33))}-${pad(n % 33)}`),
    );
    // It moves days that do not exist to the next month.
    const exists = (text: string) => {
      const time = new Date(`${text}T00:00:00Z`);
      return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(text);
    };

    expect(texts.filter(isCalendarDay)).toEqual(texts.filter(exists));
  });
});

describe('an instant', () => {
  it.each([
    ['2026-11-21T10:00:00Z', '2026-11-21T10:00:00.000Z'],
    ['2026-11-21t10:00:00z', '2026-11-21T10:00:00.000Z'],
    ['2026-11-21T23:59:59.999999Z', '2026-11-21T23:59:59.999999Z'],
    ['2026-11-21T00:00:00.000001Z', '2026-11-21T00:00:00.000001Z'],
    ['2026-11-21T10:00:00.2Z', '2026-11-21T10:00:00.200Z'],
    ['2026-11-21T10:00:00.25Z', '2026-11-21T10:00:00.250Z'],
    ['2026-11-21T10:00:00.1234Z', '2026-11-21T10:00:00.1234Z'],
    ['2026-11-21T10:00:00.12345Z', '2026-11-21T10:00:00.12345Z'],
    ['2026-11-21T10:00:00.123450Z', '2026-11-21T10:00:00.12345Z'],
    ['2026-11-21T10:00:00.100400Z', '2026-11-21T10:00:00.1004Z'],
    [`2026-11-21T10:00:00.1${zeros(29)}Z`, '2026-11-21T10:00:00.100Z'],
    // A bare date is its first instant in UTC.
    ['2026-11-21', '2026-11-21T00:00:00.000Z'],
    ['2026-11-21T10:00:00+00:00', '2026-11-21T10:00:00.000Z'],
    ['2026-11-21T10:00:00-00:00', '2026-11-21T10:00:00.000Z'],
    ['2026-11-21T10:00:00.000001+02:00', '2026-11-21T08:00:00.000001Z'],
    ['2026-11-21T10:00:00-05:30', '2026-11-21T15:30:00.000Z'],
    ['2026-01-01T00:30:00+01:00', '2025-12-31T23:30:00.000Z'],
    ['2024-02-28T23:30:00-00:30', '2024-02-29T00:00:00.000Z'],
    ['2026-11-21T00:00:00+23:59', '2026-11-20T00:01:00.000Z'],
    ['2026-11-21T00:00:00-23:59', '2026-11-21T23:59:00.000Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
    ['0001-01-01T00:00:00-01:00', '0001-01-01T01:00:00.000Z'],
    // Not 1999: JavaScript takes small numbers for years of the last century.
    ['0099-12-31T23:00:00-01:00', '0100-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z'],
    ['9999-12-31T23:59:59+00:01', '9999-12-31T23:58:59.000Z'],
  ])('%s is read exactly', (text, instant) => {
    expect(parseInstant(text)).toBe(instant);
  });

  it.each([
    '',
    '2026-11-21T10:00:00',
    '2026-11-21T10:00Z',
    '2026-11-21T10Z',
    '2026-11-21 10:00:00Z',
    '2026-11-21T10:00:00 Z',
    '2026-11-21T10:00:00.Z',
    '2026-11-21T10:00:00,5Z',
    '2026-11-21T10:00:00+02',
    '2026-11-21T10:00:00+0200',
    '2026-11-21T10:00:00+02:00Z',
    '2026-11-21T10:00:00UTC',
    ' 2026-11-21T10:00:00Z',
    '2026-11-21T10:00:00Z\n',
    '20261121T100000Z',
    '2026-W47-6',
    'now',
    'infinity',
    '1763719200',
    `2026-11-21T10:00:00.${zeros(31)}Z`,
  ])('%j is none', (text) => {
    expect(parseInstant(text)).toBeNull();
  });

  it.each([
    ['2026-02-29T10:00:00Z', 'on a day that does not exist'],
    ['0000-12-31T23:59:59-01:00', 'in the year 0'],
    ['2026-11-21T24:00:00Z', 'at hour 24'],
    ['2026-11-21T10:60:00Z', 'at minute 60'],
    ['2016-12-31T23:59:60Z', 'in a leap second, which PostgreSQL would take for the second after'],
    ['2026-11-21T10:00:00+24:00', 'a day and more from UTC'],
    ['2026-11-21T10:00:00+02:60', 'sixty minutes from UTC'],
    ['2026-11-21T10:00:00.0000001Z', 'finer than a microsecond'],
    [`2026-11-21T10:00:00.${zeros(29)}1Z`, 'much finer than a microsecond'],
    ['0001-01-01T00:00:00+00:01', 'before the year 1 in UTC'],
    ['9999-12-31T23:59:00-00:01', 'after the year 9999 in UTC'],
  ])('%s is refused, as it is %s', (text) => {
    expect(parseInstant(text)).toBeNull();
  });
});

it.each([
  ['', '2026-11-21T10:00:00.000Z'],
  ['25', '2026-11-21T10:00:00.250Z'],
  ['000', '2026-11-21T10:00:00.000Z'],
  ['000001', '2026-11-21T10:00:00.000001Z'],
  ['1234', '2026-11-21T10:00:00.1234Z'],
  ['120000', '2026-11-21T10:00:00.120Z'],
])('an instant with the fraction "%s" is written as %s', (fraction, instant) => {
  expect(formatInstant('2026-11-21T10:00:00', fraction)).toBe(instant);
});
