const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;
const DAY_CHARACTERS = 10;

/** Whether a text is a day of the Gregorian calendar as `YYYY-MM-DD`, of the years 0001 to 9999. */
export function isCalendarDay(text: string): boolean {
  const match = text.length === DAY_CHARACTERS ? DAY.exec(text) : null;
  return match !== null && isDay(Number(match[1]), Number(match[2]), Number(match[3]));
}

function isDay(year: number, month: number, day: number): boolean {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
  return days !== undefined && day >= 1 && day <= days && year >= 1;
}

const INSTANT = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,30}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/** Twenty for the date and the time, 31 for a fraction, six for an offset. */
const MAX_INSTANT_CHARACTERS = 60;

/** PostgreSQL keeps microseconds. */
const FRACTION_DIGITS = 6;

/**
 * Reads an instant exactly: RFC 3339 with `T`, seconds and an offset, or a bare date, which is its first instant in UTC.
 * Leap seconds are refused, as PostgreSQL would take them for the second after.
 * @returns the instant in UTC as {@link formatInstant} writes it, or null if it is none, is finer than a microsecond, or
 * is outside of the years 0001 to 9999
 */
export function parseInstant(text: string): string | null {
  if (text.length > MAX_INSTANT_CHARACTERS) return null;
  if (isCalendarDay(text)) return `${text}T00:00:00.000Z`;
  const match = INSTANT.exec(text);
  if (!match) return null;
  const [, day = '', hour, minute, second, fraction = '', sign = '+', offsetHours = '0', offsetMinutes = '0'] = match;
  if (!isCalendarDay(day) || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return null;
  if (Number(offsetHours) > 23 || Number(offsetMinutes) > 59) return null;
  if (/[1-9]/.test(fraction.slice(FRACTION_DIGITS))) return null;
  const seconds = `${day}T${hour}:${minute}:${second}`;
  const offset = (sign === '-' ? -1 : 1) * (Number(offsetHours) * 60 + Number(offsetMinutes));
  // Without a Date, which took half of the time.
  if (offset === 0) return formatInstant(seconds, fraction);
  const time = new Date(`${seconds}Z`);
  time.setUTCMinutes(time.getUTCMinutes() - offset);
  const year = time.getUTCFullYear();
  return year < 1 || year > 9999 ? null : formatInstant(time.toISOString().slice(0, 19), fraction);
}

/**
 * An instant as it leaves the system: three digits of a second, or as many up to six as it has.
 * @param seconds the time in UTC to the second, such as `2026-11-21T10:00:00`
 * @param fraction digits of a fraction of a second
 */
export function formatInstant(seconds: string, fraction: string): string {
  const digits = fraction.slice(0, FRACTION_DIGITS).padEnd(FRACTION_DIGITS, '0');
  if (digits[FRACTION_DIGITS - 1] !== '0') return `${seconds}.${digits}Z`;
  return `${seconds}.${digits.slice(3) === '000' ? digits.slice(0, 3) : digits.replace(/0{0,2}$/, '')}Z`;
}
