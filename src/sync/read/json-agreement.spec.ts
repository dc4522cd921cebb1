import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseExact } from '../../values/exact-json.js';
import { outcomeOf } from './read-records.fixture.js';

describe('Reading a JSON snapshot agrees with JSON.parse', () => {
  // By hand: READ_RUNS=20000 takes some minutes.
  const numRuns = Number(process.env['READ_RUNS'] ?? 700);
  const space = fc.constantFrom('', '', '', ' ', '\n', '\r\n\t ');
  const text = fc.string({
    unit: fc.constantFrom(
      'a',
      '"',
      '\\',
      '{',
      '}',
      '},{',
      '[',
      ']',
      ',',
      ':',
      'é',
      '漢',
      '😀',
      '\n',
      '\u0001',
      '\ud800',
    ),
  });
  const scalar = fc.oneof(
    text,
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
  );
  const digits = fc.stringMatching(/^-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?$/);

  /** The text of a JSON value with white space at random, and raw number literals among the scalars. */
  const { node } = fc.letrec<{ node: string; list: string; object: string }>((tie) => ({
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      scalar.map((value) => JSON.stringify(value)),
      digits,
      tie('object'),
      tie('list'),
      tie('object'),
    ),
    list: fc
      .array(fc.tuple(space, tie('node'), space), { maxLength: 4 })
      .map((items) => `[${items.map((item) => item.join('')).join(',')}]`),
    object: fc
      .array(fc.tuple(space, text, space, space, tie('node'), space), { maxLength: 4 })
      .map(
        (fields) =>
          `{${fields.map(([a, key, b, c, value, d]) => `${a}${JSON.stringify(key)}${b}:${c}${value}${d}`).join(',')}}`,
      ),
  }));
  const records = fc
    .array(fc.tuple(space, node, space), { maxLength: 12 })
    .map((items) => `[${items.map((item) => item.join('')).join(',')}]`);
  const document = fc
    .tuple(fc.constantFrom('', '', '\ufeff'), space, fc.oneof({ weight: 9, arbitrary: records }, node), space)
    .map((parts) => parts.join(''));
  const cutting = fc.oneof(
    fc.record({
      pieceBytes: fc.integer({ min: 1, max: 40 }),
      sizes: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
    }),
    fc.record({ pieceBytes: fc.constantFrom(64, 300, 65_536), sizes: fc.constantFrom([1], [50, 3], [100_000]) }),
  );
  const mutation = fc.record({
    kind: fc.constantFrom('delete', 'insert', 'replace', 'truncate'),
    at: fc.nat(),
    byte: fc.oneof(fc.constantFrom(...Buffer.from('{}[],:"\\ -0e.u\n')), fc.integer({ min: 0, max: 255 })),
  });

  function mutate(bytes: Buffer, { kind, at, byte }: { kind: string; at: number; byte: number }): Buffer {
    const index = at % (bytes.length + 1);
    const tail = bytes.subarray(kind === 'insert' ? index : index + 1);
    const middle = kind === 'insert' || kind === 'replace' ? Buffer.of(byte) : Buffer.alloc(0);
    return Buffer.concat(kind === 'truncate' ? [bytes.subarray(0, index)] : [bytes.subarray(0, index), middle, tail]);
  }

  /** What the whole text is to JSON.parse, as records; null if it is no snapshot. */
  function oracle(bytes: Buffer): unknown[] | null {
    try {
      const whole = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
      const value = parseExact(whole);
      if (typeof value !== 'object' || value === null || /^[\s-]*\d/.test(whole)) {
        return null;
      }
      return Array.isArray(value) ? value : [value];
    } catch {
      return null;
    }
  }

  async function agree(
    bytes: Buffer,
    { pieceBytes, sizes }: { pieceBytes: number; sizes: readonly number[] },
  ): Promise<void> {
    const expected = oracle(bytes);
    const outcome = await outcomeOf('json', bytes, { pieceBytes }, sizes);
    if ('records' in outcome) {
      expect(expected).not.toBeNull();
      expect(isDeepStrictEqual(outcome.records, expected) || outcome.records).toEqual(true);
      expect(JSON.stringify(outcome.records)).toBe(JSON.stringify(expected));
    } else {
      expect(expected).toBeNull();
      expect(await outcomeOf('json', bytes)).toEqual(outcome);
    }
  }

  it('on documents of any shape, cut anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(document, cutting, async (body, cuts) => agree(Buffer.from(body), cuts)),
      { numRuns },
    );
  });

  it('on documents with a byte changed, added or missing, or cut off', async () => {
    await fc.assert(
      fc.asyncProperty(
        document,
        fc.array(mutation, { minLength: 1, maxLength: 2 }),
        cutting,
        async (body, mutations, cuts) => {
          await agree(mutations.reduce(mutate, Buffer.from(body)), cuts);
        },
      ),
      { numRuns: 2 * numRuns },
    );
  });
});
