import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { expectProportionateTime } from '../../test/hostile/odd-texts.js';
import { Fault } from './column-types.js';
import { ABSENT, externalIdOf } from './external-id.js';

/** Values of which many would collide without escaping. */
const value = fc.string({ unit: fc.constantFrom('|', '\\', 'a', 'b', '🦄'), maxLength: 6 });

/** Two keys of the same resource: they have equally many fields. */
const twoKeys = fc
  .integer({ min: 2, max: 4 })
  .chain((length) => fc.tuple(...[0, 1].map(() => fc.array(value, { minLength: length, maxLength: length }))));

/** The values of a joined key: each `|` without an odd number of `\` before it ends one. */
function split(joined: string): string[] {
  const values = [''];
  for (let index = 0; index < joined.length; index++) {
    if (joined[index] === '|') values.push('');
    else values.push(`${values.pop()}${joined[index] === '\\' ? joined[++index] : joined[index]}`);
  }
  return values;
}

describe('the external id of one value', () => {
  it.each(['5', 'a|b', 'a\\b', '|', '🦄'])('is the value itself: %s', (text) => {
    expect(externalIdOf([text])).toBe(text);
  });
});

describe('the external id of several values', () => {
  it.each([
    [['a', 'b'], 'a|b'],
    [['a|b', 'c'], 'a\\|b|c'],
    [['a', 'b|c'], 'a|b\\|c'],
    [['a\\', 'b'], 'a\\\\|b'],
    [['a', '\\b'], 'a|\\\\b'],
    [['', ''], '|'],
    [['$&', "$'"], "$&|$'"],
    [['2026-11-21', '12', 'x'], '2026-11-21|12|x'],
    [['a', ABSENT, 'N'], String.raw`a|\N|N`],
    [['a', '\\N', ''], 'a|\\\\N|'],
  ] as [(string | typeof ABSENT)[], string][])('joins and escapes them: %j', (values, externalId) => {
    expect(externalIdOf(values)).toBe(externalId);
  });

  it('is the same only for the same values', () => {
    fc.assert(
      fc.property(twoKeys, ([one = [], other = []]) => {
        const isSame = one.every((each, index) => each === other[index]);
        expect(externalIdOf(one) === externalIdOf(other)).toBe(isSame);
      }),
    );
  });

  it('tells the values', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 2, maxLength: 10 }), (values) => {
        expect(split(externalIdOf(values) as string)).toEqual(values);
      }),
    );
  });
});

describe('an external id', () => {
  it.each<[(string | null | typeof ABSENT)[]]>([[[]], [[null]], [[ABSENT]], [[null, 'a']], [['a', null]]])(
    'cannot be told of %j',
    (values) => {
      expect(externalIdOf(values)).toEqual(new Fault('cannot be told'));
    },
  );

  it.each([
    ['characters', ['a'.repeat(500), 'b'.repeat(499)]],
    ['characters of two units', ['🦄'.repeat(300), 'b'.repeat(699)]],
    ['characters with those that escape', ['|'.repeat(250), 'b'.repeat(499)]],
  ])('has at most 1,000 %s', (_, [one = '', other = '']) => {
    expect(Array.from(externalIdOf([one, other]) as string)).toHaveLength(1_000);
    expect(externalIdOf([one, `${other}b`])).toEqual(new Fault('must have at most 1000 characters'));
  });

  it('has at most 2,500 bytes, as indexes of PostgreSQL take no more', () => {
    expect(externalIdOf(['é'.repeat(999), ''])).toHaveLength(1_000);
    expect(externalIdOf(['🦄'.repeat(624), 'abc'])).toHaveLength(2 * 624 + 4);
    expect(externalIdOf(['🦄'.repeat(624), 'abcd'])).toEqual(new Fault('must have at most 2500 bytes in UTF-8'));
    expect(externalIdOf(['🦄'.repeat(625)])).toHaveLength(1_250);
    expect(externalIdOf(['🦄'.repeat(626)])).toEqual(new Fault('must have at most 2500 bytes in UTF-8'));
  });

  it(
    'takes time in proportion to its values',
    () => expectProportionateTime('external id', (text) => externalIdOf([text, text])),
    60_000,
  );
});
