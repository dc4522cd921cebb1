import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SortedLines } from './sorted-lines.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'counterpart-lines-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

async function readAll(file: SortedLines, from: number, to: number): Promise<string[]> {
  const blocks: string[][] = [];
  for await (const block of file.read(from, to)) blocks.push(block);
  return blocks.flat();
}

it('finds the first line that is not before a number, and reads from there, in files of any lines', async () => {
  const line = fc.tuple(fc.nat(50), fc.nat(300)).map(([number, length]) => `${number} ${'é'.repeat(length)}`);
  // Up to some 90 kB: several times of what is searched with one read.
  const lists = fc.array(line, { maxLength: 300, size: 'max' });
  await fc.assert(
    fc.asyncProperty(lists, fc.nat(51), fc.nat(51), async (list, low, high) => {
      const numberOf = (text: string) => Number(text.split(' ')[0]);
      const lines = list.toSorted((one, other) => numberOf(one) - numberOf(other));
      const path = join(folder, 'lines');
      writeFileSync(path, lines.map((each) => `${each}\n`).join(''));
      const file = await SortedLines.open(path);
      try {
        const [from, to] = await Promise.all([low, high].map((bound) => file.find((text) => numberOf(text) < bound)));
        const expected = lines.filter((text) => numberOf(text) >= low && numberOf(text) < high);
        expect(await readAll(file, from as number, to as number)).toEqual(expected);
        expect(await readAll(file, from as number, file.end)).toEqual(lines.filter((text) => numberOf(text) >= low));
      } finally {
        await file.close();
      }
    }),
    { numRuns: 60 },
  );
});

it('refuses a line without an end instead of reading all of the file', async () => {
  const path = join(folder, 'endless');
  writeFileSync(path, 'x'.repeat(100_000));
  const file = await SortedLines.open(path);
  try {
    await expect(file.find(() => true)).rejects.toThrow('is too long, or does not end');
  } finally {
    await file.close();
  }
});
