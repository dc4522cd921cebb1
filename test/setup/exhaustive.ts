import fc from 'fast-check';

/** Whether walks go through everything (`npm run test:exhaustive`) or through a sample of it (`npm test`). */
export const IS_EXHAUSTIVE = process.env['EXHAUSTIVE'] === 'true';

/** What the samples of this run are drawn with, set in `global-setup.mjs`: a failed run is repeated with the same. */
export const SEED = Number(process.env['SAMPLE_SEED']);

/** Draws `count` elements, in their order in the list, the same ones for the same seed, and prints them with it. */
export function sample<T>(what: string, list: readonly T[], count: number): T[] {
  const drawn = draw(list, count);
  process.stdout.write(`SAMPLE_SEED=${SEED} ${what}: ${drawn.join(', ')}\n`);
  return drawn;
}

/**
 * All elements where the tests are exhaustive, else one in `n`, drawn like a sample: for thousands of small cases, of which
 * only the number is printed.
 */
export function oneIn<T>(n: number, list: readonly T[]): T[] {
  if (IS_EXHAUSTIVE) return [...list];
  const drawn = draw(list, Math.ceil(list.length / n));
  process.stdout.write(`SAMPLE_SEED=${SEED} ${drawn.length} of ${list.length} cases\n`);
  return drawn;
}

function draw<T>(list: readonly T[], count: number): T[] {
  const length = Math.min(count, list.length);
  const [drawn = []] = fc.sample(fc.subarray([...list], { minLength: length, maxLength: length }), {
    seed: SEED,
    numRuns: 1,
  });
  return drawn;
}
