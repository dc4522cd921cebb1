/** As spreadsheets of the United States write it: `3/28/18 0:00`, padded or not. */
const AMERICAN = /^(\d{1,2})\/(\d{1,2})\/(\d{2})\s+(\d{1,2}):(\d{2})$/;

/** ISO 8601 with a time or without. */
const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?([Zz]|[+-]\d{2}:?\d{2})?)?$/;

/** PostgreSQL keeps microseconds. What is finer would be rounded, so it is none. */
const MAX_FRACTION_DIGITS = 6;

/** No dentist before has any claims left. */
const FIRST_YEAR = 1900;

/** Claims are of the past; one for next year is planned, and one for a later year is a slip. */
const YEARS_AHEAD = 1;

/**
 * Reads the day and time of a service, without blanks around it.
 * @param today years are at most one ahead of it, which also decides about those of two digits
 * @returns the time as it was on the clock at the place of the service, `2018-03-28T00:00:00`; null for what is none. An
 * offset is not kept, as counting it in could move the service to another day.
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
  const digits = significant(fraction);
  if (digits.length > MAX_FRACTION_DIGITS) return null;
  return time === null || digits === '' ? time : `${time}.${digits}`;
}

/** The latest year with these last two digits that may be. */
function fullYear(lastDigits: number, latest: number): number {
  return latest - ((((latest - lastDigits) % 100) + 100) % 100);
}

/** Without zeros at the end. A loop, as `/0+$/` takes quadratic time. */
function significant(fraction: string): string {
  let end = fraction.length;
  while (fraction[end - 1] === '0') end -= 1;
  return fraction.slice(0, end);
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
