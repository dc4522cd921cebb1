import fc from 'fast-check';

/** Whether walks go through everything (`npm run test:exhaustive`) or through a sample of it (`npm test`). */
export const IS_EXHAUSTIVE = process.env['EXHAUSTIVE'] === 'true';

/** What the samples of this run are drawn with, set in `global-setup.mjs`: a failed run is repeated with the same. */
const SEED = Number(process.env['SAMPLE_SEED']);

/** Draws `count` elements, in their order in the list, the same ones for the same seed, and prints them with it. */
export function sample<T>(what: string, list: readonly T[], count: number): T[] {
  const subarrays = fc.subarray([...list], { minLength: Math.min(count, list.length), maxLength: count });
  const [drawn = []] = fc.sample(subarrays, { seed: SEED, numRuns: 1 });
  process.stdout.write(`SAMPLE_SEED=${SEED} ${what}: ${drawn.join(', ')}\n`);
  return drawn;
}
