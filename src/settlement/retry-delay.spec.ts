import { describe, expect, it } from '@jest/globals';
import { retryDelayMs } from './retry-delay.js';

describe('the delay before a retry', () => {
  it.each([
    [1, 1_000],
    [2, 2_000],
    [7, 64_000],
    [10, 300_000],
    [100, 300_000],
  ])('after %i failures is random between half of %i ms and all of it', (failed, longest) => {
    const delays = Array.from({ length: 200 }, () => retryDelayMs(failed, 1_000));

    expect(Math.max(...delays)).toBeLessThanOrEqual(longest);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(longest / 2);
    expect(new Set(delays).size).toBeGreaterThan(50);
  });
});
