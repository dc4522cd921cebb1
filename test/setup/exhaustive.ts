/** Whether the walks go through everything (`npm run test:exhaustive`) or through a sample of it (`npm test`). */
export const IS_EXHAUSTIVE = process.env['EXHAUSTIVE'] === 'true';

/** What the samples of this run are drawn with: SAMPLE_SEED, or one of the clock's. */
const SEED = Number(process.env['SAMPLE_SEED'] ?? Date.now() % 1_000_000);

/**
 * Draws from a list without repetition, the same for the same seed, which is printed.
 * @param what for the line that is printed, and so that two draws of one run differ
 * @returns at most `count` of them, in their order in the list
 */
export function sample<T>(what: string, list: T[], count: number): T[] {
  const random = mulberry32(SEED + hash(what));
  const order = list.map((element, index) => ({ element, index, key: random() }));
  const drawn = order.toSorted((a, b) => a.key - b.key).slice(0, count);
  const chosen = drawn.toSorted((a, b) => a.index - b.index).map(({ element }) => element);
  console.log(`SAMPLE_SEED=${SEED}: ${what}: ${chosen.join(', ')}`);
  return chosen;
}

/** A small generator of numbers in [0, 1), https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function hash(text: string): number {
  return [...text].reduce((sum, character) => (Math.imul(sum, 31) + character.charCodeAt(0)) | 0, 7);
}
