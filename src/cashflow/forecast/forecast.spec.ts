import { describe, expect, it } from '@jest/globals';
import { forecast } from './forecast.js';
import { findRecurring, type Movement, type Series } from './recurring.js';
import { deviation, median, quantile } from './statistics.js';

/** Random numbers that are the same in every run. */
function drawn(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const START = Date.parse('2018-01-01') / 86_400_000;

function seriesOf(movements: Movement[], direction: 'in' | 'out' = 'out', counterparty = 'DE1'): Series {
  return { counterparty, direction, currency: 'EUR', movements };
}

/** `count` movements, `days` apart, each up to `early` days early or late and up to a share off the amount of 1,000. */
function every(days: number, count: number, early = 0, noise = 0, random = drawn(1)): Movement[] {
  return Array.from({ length: count }, (_, place) => ({
    at: START + place * days + (random() * 2 - 1) * early,
    amount: 1_000 * (1 + (random() * 2 - 1) * noise),
  }));
}

const found = (movements: Movement[], asOf = (movements.at(-1)?.at ?? 0) + 1) =>
  findRecurring(seriesOf(movements), movements.length, asOf);

describe('statistics', () => {
  it('are those of the middle', () => {
    expect([median([]), median([3]), median([3, 1]), median([9, 1, 2])]).toEqual([0, 3, 2, 2]);
    expect(deviation([1, 2, 3, 100], 2)).toBe(1);
    expect([quantile([], 0.8), quantile([5, 1, 4, 2, 3], 0.8), quantile([1, 2], 1)]).toEqual([0, 4, 2]);
  });
});

describe('what recurs', () => {
  it.each([
    ['week', every(7, 10)],
    ['week', every(7, 40, 1, 0.04)],
    ['month', every(30.44, 8, 2, 0.04)],
    ['quarter', every(91.31, 6, 4, 0.04)],
    ['month', every(30.44, 12).toSpliced(5, 1)],
    ['month', [...every(30.44, 12), { at: START + 100, amount: 60_000 }].toSorted((one, other) => one.at - other.at)],
  ])('is found by its gaps and amounts: each %s', (period, movements) => {
    expect(found(movements)).toMatchObject({ period });
  });

  it.each([
    ['few of them', every(30.44, 3)],
    ['each fortnight, which is neither', every(14, 20)],
    ['each ten days', every(10, 20)],
    ['amounts that are not alike', every(30.44, 20, 0, 0.9)],
    ['a movement each day', every(1, 100)],
    ['no order in time', every(30.44, 20, 25)],
  ])('is not %s', (_, movements) => {
    expect(found(movements)).toBeNull();
  });

  it('is overdue after a period and a half', () => {
    const movements = every(30.44, 12);
    const last = movements.at(-1)?.at ?? 0;

    expect(found(movements, last + 44)).toMatchObject({ seen: 12, missed: 0 });
    expect(found(movements, last + 60)).toBeNull();
  });

  it('says what it has seen, what was missed, and when the next one is due', () => {
    const movements = every(7, 20, 1).toSpliced(4, 2);
    const { seen, missed, next, amount } = found(movements) ?? {};

    expect({ seen, missed, amount }).toEqual({ seen: 18, missed: 2, amount: 1_000 });
    expect(Math.abs((next ?? 0) - (START + 20 * 7))).toBeLessThan(1);
  });
});

describe('a forecast', () => {
  const asOf = START + 1_000;

  it('projects what recurs, and goes on with the mean of the rest', () => {
    const monthly = every(30.44, 33);
    const daily = Array.from({ length: 1_000 }, (_, day) => ({ at: START + day + 0.5, amount: 10 + (day % 2) * 190 }));
    const { days, recurring } = forecast([seriesOf(monthly), seriesOf(daily, 'in', 'FR1')], asOf, 60, 0.8);

    expect(recurring).toHaveLength(1);
    expect(days.filter(({ recurringOut }) => recurringOut > 0)).toHaveLength(2);
    const { expected, low, high } = days[59] as (typeof days)[number];
    expect(expected).toBeCloseTo(61 * 105 - 2_000, -2);
    expect(low).toBeLessThanOrEqual(expected);
    expect(high).toBeGreaterThanOrEqual(expected);
  });

  it('has an interval that earlier errors would have filled to about its level', () => {
    const random = drawn(7);
    const chance = Array.from({ length: 4_000 }, (_, place) => ({ at: START + place / 4, amount: random() * 1_000 }));
    const series = [
      seriesOf(
        chance.filter((_, place) => place % 2 === 0),
        'in',
      ),
      seriesOf(chance.filter((_, place) => place % 2 === 1)),
    ];
    for (const level of [0.5, 0.8, 0.95]) {
      const { backtest } = forecast(series, asOf, 30, level);
      expect(backtest.origins).toBeGreaterThan(20);
      expect(Math.abs((backtest.coverage ?? 0) - level)).toBeLessThan(0.25);
    }
  });

  it('of a company without movements stays where it is, and says that it was not tried', () => {
    const { days, recurring, backtest } = forecast([], asOf, 3, 0.8);

    expect(days.map(({ expected, low, high }) => [expected, low, high])).toEqual([
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]);
    expect(recurring).toEqual([]);
    expect(backtest).toEqual({ origins: 0, coverage: null, mae: null, naiveMae: null });
  });

  it('does not look at what comes later', () => {
    const known = every(30.44, 33, 2, 0.04);
    const later = [...known, { at: asOf + 3, amount: 1e9 }];

    expect(findRecurring(seriesOf(later), known.length, asOf)).toEqual({
      ...findRecurring(seriesOf(known), known.length, asOf),
      series: seriesOf(later),
    });
  });
});
