const FIRST_DAY_MS = Date.UTC(2018, 0, 1);

const DAY_MS = 86_400_000;

/** Microseconds of a day. Times of a day are counted in them from midnight, UTC. */
export const DAY_US = 86_400_000_000;

/** The days from 2018-01-01 to 2021-12-31, which are counted from 0. */
export const DAYS = 1461;

/** The months of that time. */
export const MONTHS = 48;

/** The date of each day, such as `2018-01-31`. */
export const DATES: readonly string[] = Array.from({ length: DAYS + 1 }, (_, day) =>
  new Date(FIRST_DAY_MS + day * DAY_MS).toISOString().slice(0, 10),
);

/** The first day of each month, and of the one after the last. */
export const MONTH_STARTS: readonly number[] = Array.from(
  { length: MONTHS + 1 },
  (_, month) => (Date.UTC(2018, month, 1) - FIRST_DAY_MS) / DAY_MS,
);

/** 0 for Monday to 6 for Sunday; 2018-01-01 was a Monday. */
export function weekdayOf(day: number): number {
  return day % 7;
}

/** The quarter that ends with a day, such as `2018-Q1`, or null. */
export function quarterEndingWith(day: number): string | null {
  const months = MONTH_STARTS.indexOf(day + 1);
  if (months <= 0 || months % 3 !== 0) return null;
  const quarter = months / 3 - 1;
  return `${2018 + Math.floor(quarter / 4)}-Q${(quarter % 4) + 1}`;
}

/** Milliseconds from 1970 to the beginning of a day. */
export function startOfDayMs(day: number): number {
  return FIRST_DAY_MS + day * DAY_MS;
}

const digits = (count: number, width: number) =>
  Array.from({ length: count }, (_, number) => String(number).padStart(width, '0'));

const THREE_DIGITS = digits(1000, 3);

/** `T00:00:` to `T23:59:`, and `00.` to `59.`: times are put together from parts that are made once. */
const MINUTES = digits(1440, 1).map((_, minute) => {
  const [hour, rest] = [Math.floor(minute / 60), minute % 60];
  return `T${String(hour).padStart(2, '0')}:${String(rest).padStart(2, '0')}:`;
});
const SECONDS = digits(60, 2).map((second) => `${second}.`);

/** A time of a day with its date, to the microsecond: `2018-01-31T09:30:00.123456Z`. */
export function instantText(day: number, timeUs: number): string {
  const seconds = Math.floor(timeUs / 1_000_000);
  const micros = timeUs - seconds * 1_000_000;
  const millis = Math.floor(micros / 1000);
  const minute = Math.floor(seconds / 60);
  return `${DATES[day]}${MINUTES[minute]}${SECONDS[seconds - minute * 60]}${THREE_DIGITS[millis]}${THREE_DIGITS[micros - millis * 1000]}Z`;
}
