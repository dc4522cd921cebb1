/** A snapshot of more bytes, inflated, makes a long job: this many take about a tenth of a second. */
const LONG_BYTES = 4 * 1024 ** 2;

/**
 * The two lanes that jobs go in, each with a queue and workers of its own: short jobs never wait behind long ones,
 * however many sources send long ones at once.
 */
export const LANES = ['short', 'long'] as const;
export type Lane = (typeof LANES)[number];

/** The names of the lanes' queues in BullMQ. */
export const SYNC_QUEUES: Record<Lane, string> = { short: 'sync', long: 'sync-long' };

export function laneOf(inflatedBytes: number): Lane {
  return inflatedBytes > LONG_BYTES ? 'long' : 'short';
}

/** How many jobs of a lane a process runs at a time, of `concurrency` in all: half of them each, at least one. */
export function laneWidth(lane: Lane, concurrency: number): number {
  return lane === 'long' ? Math.ceil(concurrency / 2) : Math.floor(concurrency / 2);
}
