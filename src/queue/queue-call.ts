import { setTimeout as delay } from 'node:timers/promises';

/** How long a caller waits for the queue, which may be unavailable. */
export const QUEUE_TIMEOUT_MS = 1_500;

/** How many finished queue jobs are kept for the dashboard, and for how many seconds: they carry only ids. */
export const KEPT = { count: 1_000, age: 24 * 3600 };

/** Queue jobs in these states will reach a worker. */
export const ON_THE_WAY = ['waiting', 'delayed', 'prioritized', 'waiting-children', 'paused'];

/** Limits the wait for a call of the queue: without it the call would last as long as the queue is unavailable. @throws Error */
export async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  const abort = new AbortController();
  const late = delay(timeoutMs, undefined, { signal: abort.signal }).then(() => {
    throw new Error('the queue did not answer in time');
  });
  // The one that loses the race may reject without being handled.
  work.catch(() => undefined);
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    abort.abort();
  }
}
