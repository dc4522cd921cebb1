import { DAY_US, DAYS, MONTH_STARTS, weekdayOf } from './days.js';
import { Random } from './random.js';

/** Monday to Sunday. */
const WEEKDAYS = [1, 1, 1, 1, 1, 0.35, 0.2];

/** How much more there is on the last days of a month, and at the end of all compared with the beginning. */
const MONTH_END = 1.3;
const GROWTH = 0.4;

/** A day differs from what is usual by at most this share. */
const NOISE = 0.2;

/**
 * Spreads a number of events over the days: fewer at weekends, more at the ends of months and in later years. The sums up to
 * each day are rounded, so the total is exact, and no five days in a row are empty even where there are few.
 */
export function spreadOverDays(total: number, random: Random): Int32Array {
  const ends = new Set(MONTH_STARTS.flatMap((start) => [start - 1, start - 2]));
  const weights = Float64Array.from({ length: DAYS }, (_, day) => {
    const growth = 1 - GROWTH / 2 + (GROWTH * day) / DAYS;
    const noise = 1 - NOISE + 2 * NOISE * random.fraction();
    return (WEEKDAYS[weekdayOf(day)] as number) * growth * noise * (ends.has(day) ? MONTH_END : 1);
  });
  const sum = weights.reduce((one, other) => one + other, 0);
  let [passed, given] = [0, 0];
  return Int32Array.from(weights, (weight, day) => {
    passed += weight;
    const until = day === DAYS - 1 ? total : Math.floor((passed / sum) * total);
    const count = until - given;
    given = until;
    return count;
  });
}

/** What part of a day's events each hour has, of 100. */
const HOURS = [1, 1, 1, 1, 1, 1, 2, 4, 7, 9, 9, 8, 7, 8, 9, 9, 7, 5, 3, 2, 2, 1, 1, 1];

const HOUR_US = DAY_US / 24;

/** Where each hour begins, in hundredths of the day's events. */
const HOUR_STARTS = HOURS.map((_, hour) => HOURS.slice(0, hour).reduce((one, other) => one + other, 0));

/** For each hundredth of the day's events the hour it lies in. */
const HOUR_OF = HOURS.flatMap((events, hour) => Array.from({ length: events }, () => hour));

/**
 * The time of the day's event `place` of `count`. Each has a part of the day for itself, so that they follow in order
 * without being sorted, and without being kept.
 */
export function timeOfEvent(place: number, count: number, random: Random): number {
  const hundredths = ((place + random.fraction()) / count) * 100;
  const hour = HOUR_OF[Math.min(Math.floor(hundredths), 99)] as number;
  const within = (hundredths - (HOUR_STARTS[hour] as number)) / (HOURS[hour] as number);
  return Math.min(Math.floor((hour + within) * HOUR_US), DAY_US - 1);
}
