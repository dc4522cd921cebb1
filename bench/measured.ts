import type { Load } from './sender.js';

/** Seconds of a snapshot, from the first byte of the POST to `completed`, and by phase. */
export interface Measured {
  total: number;
  phases: Record<string, number>;
}

/** What is not the upload and not a phase is the wait for a worker and for the answer that the job is completed. */
export function allPhases({ ack, total }: Load, phases: Record<string, number>): Record<string, number> {
  const worked = Object.values(phases).reduce((sum, seconds) => sum + seconds, 0);
  return { upload: ack, 'wait for a worker and the answer': Math.max(0, total - ack - worked), ...phases };
}
