import { Random, WeightedChoice } from '../maker/random.js';

/** What may go wrong with an answer. */
export const FAULTS = ['drop-before', 'drop-after', 'restart', 'hang', 'error', 'repeat', 'slow'] as const;

/**
 * - `drop-before`: the connection dies; the same window comes again.
 * - `drop-after`: the connection dies after the server has gone on to the next window.
 * - `restart`: the server begins again with the first window, and is away for a moment.
 * - `hang`: nothing is answered.
 * - `error`: 500.
 * - `repeat`: the window is answered, and comes again.
 * - `slow`: the answer comes byte by byte.
 */
export type Fault = (typeof FAULTS)[number];

/** What goes wrong with the next answer; null: nothing. */
export type FaultSource = () => Fault | null;

/** Everything has to be read again after a restart; if they were as frequent as the rest, few readers would reach the end. */
const WEIGHTS: Readonly<Record<Fault, number>> = {
  'drop-before': 20,
  'drop-after': 20,
  restart: 1,
  hang: 10,
  error: 20,
  repeat: 20,
  slow: 10,
};

/** Draws faults: the same ones for the same seed and the same order of calls. */
export function randomFaults(rate: number, seed: number, kinds: readonly Fault[] = FAULTS): FaultSource {
  const random = new Random(seed, 'faults');
  const choice = new WeightedChoice(kinds.map((kind) => [kind, WEIGHTS[kind]] as const));
  return () => (random.chance(rate) ? choice.draw(random) : null);
}
