import { describe, expect, it } from '@jest/globals';
import { type Interval, periodsBetween } from './periods.js';

const names = (interval: Interval, from: string, to: string): string[] =>
  periodsBetween(interval, new Date(from), new Date(to)).map(({ name }) => name);

describe('periods', () => {
  it.each<[Interval, string, string, string[]]>([
    ['day', '2018-02-27', '2018-03-02', ['2018-02-27', '2018-02-28', '2018-03-01']],
    ['day', '2020-02-28T23:59:59Z', '2020-03-01T00:00:00.001Z', ['2020-02-28', '2020-02-29', '2020-03-01']],
    // The first days of 2021 belong to the last week of 2020, and 2018 began on a Monday.
    ['week', '2020-12-27', '2021-01-05', ['2020-W52', '2020-W53', '2021-W01']],
    ['week', '2018-01-01', '2018-01-09', ['2018-W01', '2018-W02']],
    ['week', '2017-01-01', '2017-01-02', ['2016-W52']],
    ['month', '2018-11-15', '2019-02-01', ['2018-11', '2018-12', '2019-01']],
    ['quarter', '2018-03-31', '2018-10-02', ['2018-Q1', '2018-Q2', '2018-Q3', '2018-Q4']],
    ['year', '2018-12-31', '2020-01-01', ['2018', '2019']],
    ['month', '2018-01-01', '2018-01-01', []],
  ])('by %s from %s to %s are %j', (interval, from, to, expected) => {
    expect(names(interval, from, to)).toEqual(expected);
  });

  it('are refused where there are too many', () => {
    expect(names('day', '2000-01-01', '2013-09-09')).toHaveLength(5_000);
    expect(() => names('day', '2000-01-01', '2013-09-10')).toThrow('at most 5000 periods');
  });
});
