import { expect } from '@jest/globals';

/** A text of about so many characters. */
export type Text = readonly [what: string, make: (length: number) => string];

const times = (unit: string, length: number) => unit.repeat(Math.ceil(length / unit.length));

/**
 * Runs of what regular expressions and loops look for. Most end in something else: only then does an expression go back and
 * try all other ways to match.
 */
export const ODD_TEXTS: readonly Text[] = [
  ['zeros behind a point', (length) => `1.${times('0', length)}1`],
  ['digits', (length) => `${times('1', length)}x`],
  ['groups of digits', (length) => `1${times(',111', length)}x`],
  ['an exponent', (length) => `1e${times('9', length)}x`],
  ['a sign and blanks', (length) => `-${times(' ', length)}x`],
  ['tabs', (length) => `x${times('\t', length)}x`],
  ['dollar signs and blanks', (length) => times('$ ', length)],
  ['minus signs', (length) => `${times('-', length)}x`],
  ['points', (length) => `${times('.', length)}x`],
  ['brackets', (length) => `${times('[', length)}x`],
  ['pairs of brackets', (length) => `${times('{}', length)}x`],
  ['percent signs', (length) => `${times('%', length)}x`],
  ['ampersands', (length) => times('a&', length)],
  ['apostrophes', (length) => `x${times("'", length)}`],
  ['slashes', (length) => `${times('/', length)}x`],
  ['names and points', (length) => `${times('a.', length)}!`],
  ['quotes', (length) => `x${times('"', length)}`],
  ['commas and quotes', (length) => `"${times(',', length)}`],
  ['backslashes', (length) => `${times('\\', length)}x`],
  ['signs of parameters', (length) => times('=:;', length)],
  ['accents', (length) => `a${times('\u0301', length)}`],
  ['characters of two units', (length) => times('🦄', length)],
  ['unpaired surrogates', (length) => times('\ud800', length)],
];

/** The same for numbers in JSON. */
export const ODD_NUMBERS: readonly Text[] = [
  ['zeros between digits', (length) => `1.${times('0', length)}1`],
  ['zeros behind a point', (length) => `1.${times('0', length)}`],
  ['zeros before the point', (length) => `1${times('0', length)}.5`],
  ['digits', (length) => times('1', length)],
  ['zeros in an exponent', (length) => `1e${times('0', length)}1`],
  ['a long exponent', (length) => `1e${times('9', length)}`],
  ['zeros and an exponent', (length) => `0.${times('0', length)}1e${length}`],
];

/** Such a number as JSON. Plain text, which is sent for comparison, is no number. */
export const literalOf = (text: string): string => (text.startsWith('a') ? JSON.stringify(text) : text);

/**
 * First a length at which even cubic time is over within seconds, so that a failure does not take hours; then one at which
 * quadratic time takes a minute.
 */
const LENGTHS = [1_000, 300_000];

/** How much longer odd text may take than plain text: far more than is needed, and far less than quadratic time. */
const FACTOR = 10;
const ALLOWANCE_MS = 500;

/** The CPU time of this process, in which the servers of tests run too. Unlike time, it hardly depends on how busy the machine is. */
export async function cpuMs(work: () => unknown): Promise<number> {
  const start = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(start);
  return Math.round((user + system) / 1000);
}

/** Whether odd text took time in proportion, beside as much plain text. */
export function isProportionate(oddMs: number, plainMs: number): boolean {
  return oddMs <= FACTOR * plainMs + ALLOWANCE_MS;
}

/** How texts are sent. */
interface Sending {
  texts?: readonly Text[];
  lengths?: readonly number[];
}

/** Sends every text in every length. @returns those that took longer than their length explains, one line each */
async function slowTexts(
  place: string,
  send: (text: string) => unknown,
  { texts = ODD_TEXTS, lengths = LENGTHS }: Sending = {},
): Promise<string[]> {
  for (const length of lengths) {
    const plainMs = await cpuMs(() => send('a'.repeat(length)));
    const slow: string[] = [];
    for (const [what, make] of texts) {
      const oddMs = await cpuMs(() => send(make(length)));
      if (!isProportionate(oddMs, plainMs)) {
        slow.push(`${place}: ${length} characters, ${what}: ${oddMs} ms, plain ones ${plainMs} ms`);
      }
    }
    // Of longer ones it is known then.
    if (slow.length > 0) return slow;
  }
  return [];
}

/** Fails if any text takes longer than its length explains. */
export async function expectProportionateTime(...sent: Parameters<typeof slowTexts>): Promise<void> {
  expect(await slowTexts(...sent)).toEqual([]);
}
