/** The longest delay, however many attempts have failed. */
const MAX_DELAY_MS = 5 * 60 * 1000;

/** Each delay is shortened by up to this share, at random, so that messages that failed together are not retried together. */
const JITTER = 0.5;

/** The name of the schedule below in the options of queue jobs. */
export const RETRY_SCHEDULE = 'doubling';

/** The delay before the next attempt, after `failedAttempts` (at least 1): `firstMs`, doubled after each further failure. */
export function retryDelayMs(failedAttempts: number, firstMs: number): number {
  const longest = Math.min(firstMs * 2 ** (failedAttempts - 1), MAX_DELAY_MS);
  return Math.round(longest * (1 - Math.random() * JITTER));
}
