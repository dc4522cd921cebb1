import { describe, expect, it } from '@jest/globals';
import { readEvery } from './every.js';

describe('a duration', () => {
  it.each([
    ['PT1M', 60],
    ['PT1H', 3_600],
    ['PT90M', 5_400],
    ['PT60S', 60],
    ['P1D', 86_400],
    ['P1DT12H', 129_600],
    ['P2W', 1_209_600],
    ['P366D', 31_622_400],
  ])('%s has %s seconds', (text, seconds) => {
    expect(readEvery(text)).toBe(seconds);
  });

  it.each([
    '',
    'P',
    'PT',
    'P1DT',
    'PT59S',
    'PT0H',
    'P367D',
    'P1M',
    'P1Y',
    'PT1.5H',
    '-PT1H',
    'pt1h',
    '1h',
    'PT1H ',
    '60',
  ])('“%s” is refused', (text) => {
    expect(() => readEvery(text)).toThrow(expect.objectContaining({ status: 400 }));
  });
});
