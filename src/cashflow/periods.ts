import { Refusal } from '../http/refusal.js';

export const INTERVALS = ['day', 'week', 'month', 'quarter', 'year'] as const;
export type Interval = (typeof INTERVALS)[number];

/** Rows of an answer that is not paged. */
export const MAX_PERIODS = 5_000;

/** A calendar period in UTC that an answer has a row for. */
export interface Period {
  /** Its first day, `YYYY-MM-DD`. */
  start: string;
  /** Such as `2018-01-31`, `2018-W05`, `2018-01`, `2018-Q1`, `2018`. */
  name: string;
}

/**
 * All periods that have a part between two instants.
 * @param from included, and `to` excluded
 * @throws Refusal 400 if they are more than {@link MAX_PERIODS}
 */
export function periodsBetween(interval: Interval, from: Date, to: Date): Period[] {
  const periods: Period[] = [];
  let start = startOf(interval, from);
  while (start < to) {
    if (periods.length === MAX_PERIODS) {
      const detail = `An answer has at most ${MAX_PERIODS} periods: ask for a shorter time, or a longer interval.`;
      throw Refusal.parameter('interval', detail, 'too_many_periods');
    }
    periods.push({ start: dayOf(start), name: CALENDAR[interval].name(start) });
    start = endOf(interval, start);
  }
  return periods;
}

/** How calendar periods of each length begin, go on and are called. Weeks begin on Monday (ISO 8601). */
const CALENDAR: Readonly<
  Record<Interval, { start: (at: Date) => Date; next: (start: Date) => Date; name: (start: Date) => string }>
> = {
  day: { start: (at) => shifted(at, {}), next: (start) => shifted(start, { days: 1 }), name: dayOf },
  week: {
    start: (at) => shifted(at, { days: -weekday(at) }),
    next: (start) => shifted(start, { days: 7 }),
    name: weekName,
  },
  month: {
    start: (at) => firstOfMonth(at, 0),
    next: (start) => firstOfMonth(start, 1),
    name: (start) => dayOf(start).slice(0, 7),
  },
  quarter: {
    start: (at) => firstOfMonth(at, -(at.getUTCMonth() % 3)),
    next: (start) => firstOfMonth(start, 3),
    name: (start) => `${dayOf(start).slice(0, 4)}-Q${Math.floor(start.getUTCMonth() / 3) + 1}`,
  },
  year: {
    start: (at) => firstOfMonth(at, -at.getUTCMonth()),
    next: (start) => firstOfMonth(start, 12),
    name: (start) => dayOf(start).slice(0, 4),
  },
};

/** The first moment of the period in which an instant lies. */
export function startOf(interval: Interval, at: Date): Date {
  return CALENDAR[interval].start(at);
}

/** The first moment of the period after the one in which an instant lies. */
export function endOf(interval: Interval, at: Date): Date {
  return CALENDAR[interval].next(CALENDAR[interval].start(at));
}

function shifted(at: Date, { days = 0 }: { days?: number }): Date {
  return utc(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate() + days);
}

function firstOfMonth(at: Date, months: number): Date {
  return utc(at.getUTCFullYear(), at.getUTCMonth() + months, 1);
}

/** A week belongs to the year that has its Thursday. */
function weekName(monday: Date): string {
  const thursday = utc(monday.getUTCFullYear(), monday.getUTCMonth(), monday.getUTCDate() + 3);
  const first = utc(thursday.getUTCFullYear(), 0, 1);
  const week = 1 + Math.floor((thursday.getTime() - first.getTime()) / (7 * DAY_MS));
  return `${dayOf(thursday).slice(0, 4)}-W${String(week).padStart(2, '0')}`;
}

const DAY_MS = 86_400_000;

/** Days since Monday. */
function weekday(at: Date): number {
  return (at.getUTCDay() + 6) % 7;
}

/** Unlike `Date.UTC`, of years below 100 too. */
function utc(year: number, month: number, day: number): Date {
  const date = new Date(0);
  date.setUTCFullYear(year, month, day);
  return date;
}

export function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10);
}
