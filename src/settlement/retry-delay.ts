/** No wait is longer, however many attempts there are. */
const MAX_DELAY_MS = 5 * 60 * 1000;

/** Delays are shorter by up to so much: what failed together does not come back together. */
const JITTER = 0.5;

/** How the queue's jobs name the schedule below. */
export const RETRY_SCHEDULE = 'doubling';

/** How long to wait after so many failed attempts, at least 1: from `firstMs` on each time twice as long. */
export function retryDelayMs(failedAttempts: number, firstMs: number): number {
  const longest = Math.min(firstMs * 2 ** (failedAttempts - 1), MAX_DELAY_MS);
  return Math.round(longest * (1 - Math.random() * JITTER));
}
