import { setTimeout as delay } from 'node:timers/promises';

/** How long a caller waits for a queue that may be away. */
export const QUEUE_TIMEOUT_MS = 1_500;

/** What is kept of finished queue jobs, for the dashboard: they carry nothing but ids. */
export const KEPT = { count: 1_000, age: 24 * 3600 };

/** Queue jobs in these states will reach a worker. */
export const ON_THE_WAY = ['waiting', 'delayed', 'prioritized', 'waiting-children', 'paused'];

/** Waits for a queue no longer than that: one that is away would let us wait for as long as it is. @throws Error */
export async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  const abort = new AbortController();
  const late = delay(timeoutMs, undefined, { signal: abort.signal }).then(() => {
    throw new Error('the queue did not answer in time');
  });
  // Whichever loses the race may fail unheard.
  work.catch(() => undefined);
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    abort.abort();
  }
}
