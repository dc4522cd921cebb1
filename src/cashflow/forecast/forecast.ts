import { findRecurring, type Recurring, type Series } from './recurring.js';
import { quantile } from './statistics.js';

/** What is expected of one day. */
export interface ForecastDay {
  /** Of all days up to its end, since the moment of the forecast. */
  expected: number;
  low: number;
  high: number;
  /** Of that day alone. */
  recurringIn: number;
  recurringOut: number;
  /** The share of earlier errors with which a balance would be below zero. */
  errors: readonly number[];
}

export interface Backtest {
  origins: number;
  /** The share of origins whose balance at the end lay in the interval that the other origins give. */
  coverage: number | null;
  /** Mean absolute error over all days of all origins, of the forecast and of "the balance stays". */
  mae: number | null;
  naiveMae: number | null;
}

export interface Forecast {
  days: ForecastDay[];
  recurring: Recurring[];
  backtest: Backtest;
}

/** Earlier moments from which a forecast is made to see how far it would have been off. */
const MAX_ORIGINS = 48;

/** Fewer say nothing about a share of one in five. */
const LEAST_ORIGINS = 4;

/** The days before a moment from which the mean of what does not recur is taken, and how many it needs at least. */
const REST_DAYS = 365;
const LEAST_REST_DAYS = 30;

/** Origins are at least this far apart: those of successive days make the same errors. */
const LEAST_STEP_DAYS = 7;

/**
 * Forecasts the movements of a company: what recurs is projected, of the rest the mean goes on. The interval is as wide as the errors
 * that the same method has made from earlier moments.
 * @param series all movements up to `asOf`, and none after it
 * @param asOf in days since 1970
 * @param count how many days; the first is the day after `asOf`
 * @param level the share of balances that should lie in the interval
 */
export function forecast(series: readonly Series[], asOf: number, count: number, level: number): Forecast {
  const history = new History(series);
  const now = history.at(asOf);
  const projected = project(now, asOf, count);
  const { origins, step } = originsOf(history.first, asOf, count);
  const tests = origins.map((origin) => testFrom(history, origin, count));
  const errors = Array.from({ length: count }, (_, day) => tests.map((test) => test.errors[day] as number));
  const days = projected.map((day, place): ForecastDay => {
    const width = intervalOf(errors[place] as number[], level, step / (place + 1));
    return { ...day, low: day.expected - width, high: day.expected + width, errors: errors[place] as number[] };
  });
  return { days, recurring: now.recurring, backtest: backtestOf(tests, level, step / count) };
}

/** What is known at a moment. */
interface Known {
  recurring: Recurring[];
  /** The mean of a day's movements that do not recur. */
  restPerDay: number;
}

/** Movements by time, with their sums, so that a moment of the past costs no more than what is known of each series then. */
class History {
  readonly first: number;
  private readonly times: number[];
  /** The sum of all movements before the one at each place. */
  private readonly sums: number[] = [0];

  constructor(private readonly series: readonly Series[]) {
    const all = series
      .flatMap(({ direction, movements }) =>
        movements.map(({ at, amount }) => ({ at, amount: direction === 'in' ? amount : -amount })),
      )
      .toSorted((one, other) => one.at - other.at);
    this.times = all.map(({ at }) => at);
    for (const { amount } of all) this.sums.push((this.sums.at(-1) as number) + amount);
    this.first = this.times[0] ?? Infinity;
  }

  /** The sum of all movements up to and including a moment. */
  sumUpTo(at: number): number {
    return this.sums[upperBound(this.times, at)] as number;
  }

  at(asOf: number): Known {
    const recurring: Recurring[] = [];
    const from = Math.max(asOf - REST_DAYS, this.first);
    let rest = this.sumUpTo(asOf) - this.sumUpTo(asOf - REST_DAYS);
    for (const series of this.series) {
      const times = series.movements;
      const until = upperBound(times, asOf, ({ at }) => at);
      const found = findRecurring(series, until, asOf);
      if (found === null) continue;
      recurring.push(found);
      const sign = series.direction === 'in' ? 1 : -1;
      for (let place = until - 1; place >= 0 && (times[place]?.at ?? 0) > from; place--) {
        rest -= sign * (times[place]?.amount ?? 0);
      }
    }
    return { recurring, restPerDay: rest / Math.max(asOf - from, LEAST_REST_DAYS) };
  }
}

type Projected = Omit<ForecastDay, 'low' | 'high' | 'errors'>;

/** Each day ends at midnight: the first one is the day after that of the moment. */
function project({ recurring, restPerDay }: Known, asOf: number, count: number): Projected[] {
  const firstDay = Math.floor(asOf) + 1;
  const moved = Array.from({ length: count }, () => ({ recurringIn: 0, recurringOut: 0 }));
  let beforeFirst = 0;
  for (const { next, days, amount, series } of recurring) {
    for (let at = next; at < firstDay + count; at += days) {
      const day = moved[Math.floor(at) - firstDay];
      // What is left of the day of the moment itself has no row of its own.
      if (day === undefined) beforeFirst += series.direction === 'in' ? amount : -amount;
      else if (series.direction === 'in') day.recurringIn += amount;
      else day.recurringOut += amount;
    }
  }
  let sum = beforeFirst;
  return moved.map((day, place) => {
    sum += day.recurringIn - day.recurringOut;
    return { ...day, expected: sum + restPerDay * (firstDay + place + 1 - asOf) };
  });
}

/** Moments of the past that have as many known days after them as are to be forecast, and some before them. */
function originsOf(first: number, asOf: number, count: number): { origins: number[]; step: number } {
  const latest = asOf - count - 1;
  const earliest = first + LEAST_REST_DAYS * 3;
  if (latest < earliest) return { origins: [], step: LEAST_STEP_DAYS };
  const step = Math.max(LEAST_STEP_DAYS, (latest - earliest) / MAX_ORIGINS);
  const all = Array.from({ length: MAX_ORIGINS }, (_, place) => latest - place * step);
  return { origins: all.filter((origin) => origin >= earliest), step };
}

interface OriginTest {
  /** What came minus what was expected, by day. */
  errors: number[];
  /** The same of "the balance stays". */
  naive: number[];
}

function testFrom(history: History, origin: number, count: number): OriginTest {
  const before = history.sumUpTo(origin);
  const projected = project(history.at(origin), origin, count);
  const firstDay = Math.floor(origin) + 1;
  const naive = projected.map((_, place) => history.sumUpTo(firstDay + place + 1) - before);
  return { errors: naive.map((moved, place) => moved - (projected[place] as Projected).expected), naive };
}

/**
 * Half the width of the interval. Errors of origins whose days overlap tell the same again: of `n` errors over 90 days from origins
 * 30 days apart only a third are independent, and of few a greater share is needed to be sure of `level`.
 * @param apart the days between two origins as a share of the days that are forecast
 */
function intervalOf(errors: readonly number[], level: number, apart: number): number {
  const independent = Math.max(1, errors.length * Math.min(1, apart));
  return quantile(
    errors.map((error) => Math.abs(error)),
    Math.min(1, Math.ceil((independent + 1) * level) / independent),
  );
}

function backtestOf(tests: readonly OriginTest[], level: number, apart: number): Backtest {
  const origins = tests.length;
  if (origins < LEAST_ORIGINS) return { origins, coverage: null, mae: null, naiveMae: null };
  const last = tests.map(({ errors }) => errors.at(-1) as number);
  const covered = last.filter((error, place) => Math.abs(error) <= intervalOf(last.toSpliced(place, 1), level, apart));
  return {
    origins,
    coverage: covered.length / origins,
    mae: meanOf(tests.flatMap(({ errors }) => errors)),
    naiveMae: meanOf(tests.flatMap(({ naive }) => naive)),
  };
}

function meanOf(errors: readonly number[]): number {
  return errors.reduce((sum, error) => sum + Math.abs(error), 0) / errors.length;
}

/** How many of sorted values are not greater than a limit. */
function upperBound<T = number>(sorted: readonly T[], limit: number, valueOf: (item: T) => number = Number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (valueOf(sorted[middle] as T) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
