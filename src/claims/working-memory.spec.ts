import { expect, it } from '@jest/globals';
import { WorkingMemory } from './working-memory.js';

it('runs as much work at once as fits into memory, and the rest in order', async () => {
  const memory = new WorkingMemory(10);
  const begun: string[] = [];
  const ends = new Map<string, (failure?: Error) => void>();
  const start = (name: string, bytes: number) =>
    memory.within(bytes, () => {
      begun.push(name);
      return new Promise<void>((resolve, reject) =>
        ends.set(name, (failure) => (failure ? reject(failure) : resolve())),
      );
    });

  const [a, b, c, d] = [start('a', 6), start('b', 4), start('c', 99), start('d', 1)] as const;
  await new Promise(setImmediate);
  expect(begun).toEqual(['a', 'b']);

  ends.get('a')?.(new Error('failed'));
  await expect(a).rejects.toThrow('failed');
  expect(begun).toEqual(['a', 'b']);

  ends.get('b')?.();
  await b;
  await new Promise(setImmediate);
  expect(begun).toEqual(['a', 'b', 'c']);

  ends.get('c')?.();
  await c;
  await new Promise(setImmediate);
  ends.get('d')?.();
  await d;
  expect(begun).toEqual(['a', 'b', 'c', 'd']);
});
