import { withoutTrailing } from '../values/without-trailing.js';

/** The format of US spreadsheets: `3/28/18 0:00`, with or without leading zeros. */
const AMERICAN = /^(\d{1,2})\/(\d{1,2})\/(\d{2})\s+(\d{1,2}):(\d{2})$/;

/** ISO 8601 with or without a time. */
const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?([Zz]|[+-]\d{2}:?\d{2})?)?$/;

/** PostgreSQL keeps microseconds. A finer time would be rounded, so it is refused. */
const MAX_FRACTION_DIGITS = 6;

/** No claim is about a service before this year. */
const FIRST_YEAR = 1900;

/** Claims are about past services; one for next year may be planned, a later year is a typing error. */
const YEARS_AHEAD = 1;

/**
 * Reads the date and time of a service from trimmed text.
 * @param today the year is at most one after it; this also decides the century of years with two digits
 * @returns the local time at the place of the service, such as `2018-03-28T00:00:00`, or null for anything else. An offset
 * is dropped, since converting the time could move the service to another day.
 */
export function readServiceDate(text: string, today = new Date()): string | null {
  const latestYear = today.getUTCFullYear() + YEARS_AHEAD;
  const american = AMERICAN.exec(text);
  if (american) {
    const [, month = '', day = '', year = '', hour = '', minute = ''] = american;
    return clockTime([fullYear(Number(year), latestYear), month, day, hour, minute, '0'].map(Number));
  }
  const [, year = '', month = '', day = '', hour = '0', minute = '0', second = '0', fraction = '', offset = 'Z'] =
    ISO.exec(text) ?? [];
  if (year === '' || Number(year) > latestYear || !isOffset(offset)) return null;
  const time = clockTime([year, month, day, hour, minute, second].map(Number));
  const digits = withoutTrailing('0', fraction);
  if (digits.length > MAX_FRACTION_DIGITS) return null;
  return time === null || digits === '' ? time : `${time}.${digits}`;
}

/** The latest allowed year that ends in these two digits. */
function fullYear(lastDigits: number, latest: number): number {
  return latest - ((((latest - lastDigits) % 100) + 100) % 100);
}

function clockTime(parts: number[]): string | null {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  if (year < FIRST_YEAR || hour > 23 || minute > 59 || second > 59) return null;
  const date = new Date(Date.UTC(year, month - 1, day));
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const time = [hour, minute, second].map((part) => String(part).padStart(2, '0')).join(':');
  return `${date.toISOString().slice(0, 10)}T${time}`;
}

function isOffset(offset: string): boolean {
  const [, hours = '0', minutes = '0'] = /(\d{2}):?(\d{2})$/.exec(offset) ?? [];
  return Number(hours) < 24 && Number(minutes) < 60;
}
