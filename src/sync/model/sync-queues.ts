/**
 * The queue of short jobs and the queue of long ones, each with workers of its own: short jobs never wait for long ones,
 * however many sources send long ones at once.
 */
export type SyncQueue = 'short' | 'long';

/** The names of the queues in BullMQ. */
export const SYNC_QUEUES: Record<SyncQueue, string> = { short: 'sync', long: 'sync-long' };

/** The queue for a job over a snapshot of so many bytes, inflated, if short ones have at most `shortJobBytes`. */
export function queueFor(inflatedBytes: number, shortJobBytes: number): SyncQueue {
  return inflatedBytes > shortJobBytes ? 'long' : 'short';
}

/** How many jobs of a queue a process runs at a time, of `concurrency` in all: half of them each, at least one. */
export function concurrencyOf(queue: SyncQueue, concurrency: number): number {
  return queue === 'long' ? Math.ceil(concurrency / 2) : Math.floor(concurrency / 2);
}
