import { expect } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IS_EXHAUSTIVE, sample } from '../setup/exhaustive.js';

/** More statements than any piece of work sends: a test that gets here has found one that never ends. */
const MAX_STATEMENTS = 300;

/** How many statements a sample holds besides the fixed ones. */
const SAMPLED = 3;

/** What `fault.mjs` says of a statement: a whole transaction in one message is none of its parts. */
export type StatementKind = 'begin' | 'commit' | 'transaction' | 'other';

/** Lets `work` have a process trace its statements into a file. @returns their kinds, in their order */
export async function traced(work: (file: string) => Promise<void>): Promise<StatementKind[]> {
  const folder = mkdtempSync(join(tmpdir(), 'counterpart-trace-'));
  const file = join(folder, 'statements');
  try {
    await work(file);
    const kinds = readFileSync(file, 'utf8').trim().split('\n') as StatementKind[];
    expect(kinds.length).toBeLessThan(MAX_STATEMENTS);
    return kinds;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The numbers, from 1 on, of the statements in whose place a process is killed: all where the tests are exhaustive, else
 * the first, the last, those that `isFixed` names, and a few others.
 */
export function placesOf(
  what: string,
  kinds: StatementKind[],
  isFixed: (n: number) => boolean = () => false,
): number[] {
  const all = kinds.map((_, index) => index + 1);
  if (IS_EXHAUSTIVE) return all;
  const fixed = all.filter((n) => n === 1 || n === kinds.length || isFixed(n));
  const others = all.filter((n) => !fixed.includes(n));
  return [...fixed, ...sample(`of the ${kinds.length} statements of ${what}`, others, SAMPLED)].toSorted(
    (a, b) => a - b,
  );
}
