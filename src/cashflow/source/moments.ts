import { formatInstant, parseInstant } from '../../values/calendar.js';

const DAY_MS = 24 * 3_600_000;
const FRACTION_DIGITS = 6;

/** `2018-01-31T09:30:00` */
const SECONDS_CHARACTERS = 19;

/**
 * An instant of one length, whose order as a text is that of time: `2018-01-31T09:30:00.123456`.
 * @param instant as {@link parseInstant} returns it
 */
export function momentOf(instant: string): string {
  const seconds = instant.slice(0, SECONDS_CHARACTERS);
  const fraction = instant.slice(SECONDS_CHARACTERS + 1, -1).padEnd(FRACTION_DIGITS, '0');
  return `${seconds}.${fraction}`;
}

/** The moment that a text of a source means, an instant or a bare date; null if it is neither. */
export function readMoment(text: unknown): string | null {
  const instant = typeof text === 'string' ? parseInstant(text) : null;
  return instant === null ? null : momentOf(instant);
}

/** A moment as it leaves the system. */
export function instantOf(moment: string): string {
  return formatInstant(moment.slice(0, SECONDS_CHARACTERS), moment.slice(SECONDS_CHARACTERS + 1));
}

/** The first moment of the day, so many days later. */
export function midnight(moment: string, daysLater = 0): string {
  const time = Date.parse(`${moment.slice(0, 10)}T00:00:00Z`) + daysLater * DAY_MS;
  return `${new Date(time).toISOString().slice(0, SECONDS_CHARACTERS)}.000000`;
}

/** Whole days from the day of one moment to that of another. */
export function daysBetween(one: string, other: string): number {
  const [from, to] = [one, other].map((moment) => Date.parse(moment.slice(0, 10))) as [number, number];
  return (to - from) / DAY_MS;
}

/** The month of a moment: `2018-01`. */
export function monthOf(moment: string): string {
  return moment.slice(0, 7);
}

/** The first moment of a month, and of the month after. */
export function boundsOfMonth(month: string): { from: string; to: string } {
  const first = `${month}-01T00:00:00.000000`;
  // No month has more than 31 days, and the 32nd day after its first one lies in the next.
  const next = midnight(first, 32);
  return { from: first, to: `${monthOf(next)}-01T00:00:00.000000` };
}

/** The window of so many days that a moment lies in, if one begins on `origin`. */
export function windowAround(moment: string, { days, origin }: { days: number; origin: string }): Span {
  const day = Math.floor((Date.parse(`${moment.slice(0, 10)}T00:00:00Z`) - Date.parse(origin)) / DAY_MS);
  const begin = Math.floor(day / days) * days;
  return { from: midnight(origin, begin), to: midnight(origin, begin + days) };
}

/** A range of moments: `from` included, `to` excluded. */
export interface Span {
  from: string;
  to: string;
}
