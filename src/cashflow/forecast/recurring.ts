import { deviation, median } from './statistics.js';

export const PERIOD_NAMES = ['week', 'month', 'quarter'] as const;
export type PeriodName = (typeof PERIOD_NAMES)[number];

/** What came or went at one moment, in the currency of the answer. */
export interface Movement {
  /** Days since 1970, with fractions. */
  at: number;
  amount: number;
}

/** The movements between a company and one account in one direction and currency, by time. */
export interface Series {
  counterparty: string;
  direction: 'in' | 'out';
  currency: string;
  movements: readonly Movement[];
}

/** Movements that come again and again. */
export interface Recurring {
  series: Series;
  period: PeriodName;
  /** Days between two of them. */
  days: number;
  /** The usual amount. */
  amount: number;
  /** When the next one is due, in days since 1970. */
  next: number;
  seen: number;
  missed: number;
}

/** Periods by their mean length in the Gregorian calendar, the days by which one may come early or late, and least numbers. */
const PERIODS: readonly { name: PeriodName; days: number; early: number; least: number }[] = [
  { name: 'week', days: 7, early: 1.5, least: 5 },
  { name: 'month', days: 30.44, early: 3.5, least: 4 },
  { name: 'quarter', days: 91.31, early: 6, least: 4 },
];

/** Every second week: it recurs, but as no period that answers know. It must not be taken for one of them. */
const FORTNIGHT = { days: 14, early: 2 };

/** Amounts are alike if their median deviation is at most this share of the usual one; a single one may differ as much. */
const AMOUNTS_ALIKE = 0.25;

/** Of the movements of a series this share has to belong to what recurs. */
const LEAST_SHARE = 0.7;

/** Of the gaps this share has to be a single period. The others are periods in which nothing came. */
const LEAST_SINGLE = 0.7;

/** The usual amount is that of the last ones, as prices change. */
const RECENT = 12;

/**
 * What recurs in a series, as seen at a moment; null if nothing does. By the median gap and its deviation, the amounts, and whether
 * the last one is overdue.
 * @param until how many of the movements are known then
 */
export function findRecurring(series: Series, until: number, asOf: number): Recurring | null {
  const known = series.movements.slice(0, until);
  if (known.length < 4) return null;
  const usual = median(known.map(({ amount }) => amount));
  if (
    deviation(
      known.map(({ amount }) => amount),
      usual,
    ) >
    AMOUNTS_ALIKE * usual
  )
    return null;
  const alike = known.filter(({ amount }) => Math.abs(amount - usual) <= AMOUNTS_ALIKE * usual);
  if (alike.length < LEAST_SHARE * known.length) return null;
  const gaps = alike.slice(1).map(({ at }, place) => at - (alike[place] as Movement).at);
  const gap = median(gaps);
  if (Math.abs(gap - FORTNIGHT.days) <= FORTNIGHT.early) return null;
  const period = PERIODS.find(({ days, early }) => Math.abs(gap - days) <= early);
  if (period === undefined || alike.length < period.least) return null;
  return regular(series, alike, gaps, period, asOf);
}

function regular(
  series: Series,
  alike: readonly Movement[],
  gaps: readonly number[],
  { name, days, early }: (typeof PERIODS)[number],
  asOf: number,
): Recurring | null {
  const last = (alike.at(-1) as Movement).at;
  if (asOf - last > days * 1.5 + early) return null;
  const times = gaps.map((gap) => Math.max(1, Math.round(gap / days)));
  const misses = gaps.map((gap, place) => Math.abs(gap - (times[place] as number) * days));
  const fitting = misses.filter((miss) => miss <= 2 * early).length;
  const single = times.filter((time) => time === 1).length;
  if (median(misses) > early || fitting < LEAST_SHARE * gaps.length || single < LEAST_SINGLE * gaps.length) return null;
  // Each of them says when the others should have come: the median of that is not moved by those that were early or late.
  const places = times.reduce<number[]>((all, time) => [...all, (all.at(-1) ?? 0) + time], [0]);
  const phase = median(alike.map(({ at }, place) => at - (places[place] as number) * days));
  const passed = places.at(-1) as number;
  let next = phase + (passed + 1) * days;
  while (next <= asOf) next += days;
  const amount = median(alike.slice(-RECENT).map((movement) => movement.amount));
  return { series, period: name, days, amount, next, seen: alike.length, missed: passed + 1 - alike.length };
}
