/** As spreadsheets of the United States write it: `3/28/18 0:00`, padded or not. */
const AMERICAN = /^(\d{1,2})\/(\d{1,2})\/(\d{2})\s+(\d{1,2}):(\d{2})$/;

/** ISO 8601 with a time or without. */
const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

/** No dentist before has any claims left. */
const FIRST_YEAR = 1900;

/**
 * Reads the day and time of a service, without blanks around it.
 * @param today decides about years of two digits: they are at most a year ahead
 * @returns the time as it was on the clock at the place of the service, `2018-03-28T00:00:00`; null for what is none. An
 * offset is not kept, as counting it in could move the service to another day.
 */
export function readServiceDate(text: string, today = new Date()): string | null {
  const american = AMERICAN.exec(text);
  if (american) {
    const [, month = '', day = '', year = '', hour = '', minute = ''] = american;
    return clockTime([fullYear(Number(year), today), month, day, hour, minute, '0'].map(Number));
  }
  const [, year = '', month = '', day = '', hour = '0', minute = '0', second = '0', fraction = '', offset = 'Z'] =
    ISO.exec(text) ?? [];
  if (year === '' || !isOffset(offset)) return null;
  const time = clockTime([year, month, day, hour, minute, second].map(Number));
  const digits = fraction.replace(/0+$/, '');
  return time === null || digits === '' ? time : `${time}.${digits}`;
}

/** The latest year with these last two digits that is not more than a year ahead: claims are of the past. */
function fullYear(lastDigits: number, today: Date): number {
  const latest = today.getUTCFullYear() + 1;
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
