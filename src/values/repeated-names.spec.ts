import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseExact } from './exact-json.js';
import { repeatedNames } from './repeated-names.js';

/** What is found in one value. */
function found(text: string): [string, string | null][] {
  return [...(repeatedNames(text, [parseExact(text)]).get(0) ?? [])];
}

describe('a name that an object has twice', () => {
  it.each([
    ['{"a":1,"a":2}', [['a', null]]],
    ['{"a" : 1 ,\n"a"\t: 2}', [['a', null]]],
    [String.raw`{"a":1,"\u0061":2}`, [['a', null]]],
    ['{"a":{"b":1,"b":1}}', [['a', 'b']]],
    ['{"a":[0,{"c":{}},{"b":[],"b":{}}]}', [['a', 'b']]],
    ['{"a":{"a":1,"a":2}}', [['a', 'a']]],
    ['{"":1,"":2}', [['', null]]],
    ['{"__proto__":1,"__proto__":2}', [['__proto__', null]]],
    [
      '{"x":{"b":1,"b":1},"a":1,"a":12345678901234567890}',
      [
        ['x', 'b'],
        ['a', null],
      ],
    ],
  ])('is found in %s', (text, names) => {
    expect(found(text)).toEqual(names);
  });

  it.each([
    '{"a":1,"b":{"a":1}}',
    '{"a":[{"a":1},{"a":1}]}',
    '{"a":1,"A":2}',
    String.raw`{"a":"\"a\": 1, \"a\": 2"}`,
    '{"a":"2026-01-01T10:00:00Z","b":"x : y"}',
    '{"a":1.5e300,"b":12345678901234567890}',
    '[]',
    '"a"',
    '1',
  ])('is not there in %s', (text) => {
    expect(found(text)).toEqual([]);
  });

  it('is told by the place of its record', () => {
    const text = '{"a":1}, "x", 5,\n{"a":1,"a":"b\\"c"},[1],{"b":{"c":1,"c":1}}';

    const values = JSON.parse(`[${text}]`) as unknown[];

    expect([...repeatedNames(text, values)].map(([place, names]) => [place, ...names.keys()])).toEqual([
      [3, 'a'],
      [5, 'b'],
    ]);
  });

  it('is found however records are made', () => {
    const space = fc.constantFrom('', '', ' ', '\n');
    // Not a backslash alone beside a quotation mark: JSON.parse of Node 24 sometimes takes the one name for the other.
    const name = fc.constantFrom('a', 'b', 'c:', '"', 'x\\y', 'é');
    type Node = { text: string; twice: string[] };
    const { node, object } = fc.letrec<{ node: Node; list: Node; object: Node & { own: Map<string, string | null> } }>(
      (tie) => ({
        node: fc.oneof(
          { depthSize: 'small' },
          fc.oneof(name, fc.integer(), fc.boolean(), fc.constant(null), fc.constant('x": 1, "y ": 2')).map((value) => ({
            text: JSON.stringify(value),
            twice: [],
          })),
          tie('list'),
          tie('object'),
        ),
        list: fc.array(tie('node'), { maxLength: 3 }).map((items) => ({
          text: `[${items.map(({ text }) => text).join(',')}]`,
          twice: items.flatMap(({ twice }) => twice),
        })),
        object: fc.array(fc.tuple(space, name, space, tie('node')), { maxLength: 4 }).map((members) => {
          const own = new Map<string, string | null>();
          const seen = new Set<string>();
          const twice: string[] = [];
          for (const [, key, , value] of members) {
            if (seen.has(key)) own.set(key, null);
            if (seen.has(key)) twice.push(key);
            seen.add(key);
            twice.push(...value.twice);
            if (value.twice.length > 0) own.set(key, 'nested');
          }
          const text = members.map(([a, key, b, value]) => `${a}${JSON.stringify(key)}${b}:${value.text}`).join(',');
          return { text: `{${text}}`, twice, own };
        }),
      }),
    );
    const record = fc.oneof(object, node);

    fc.assert(
      fc.property(fc.array(record, { maxLength: 4 }), (records) => {
        const text = records.map((each) => each.text).join(', ');
        const names = repeatedNames(text, JSON.parse(`[${text}]`) as unknown[]);
        for (const [place, each] of records.entries()) {
          if ('own' in each)
            expect([...(names.get(place)?.keys() ?? [])].toSorted()).toEqual([...each.own.keys()].toSorted());
          else if (each.twice.length === 0) expect(names.has(place)).toBe(false);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('is looked for in time proportional to the length', () => {
    const text = `{"a":"${': ":'.replaceAll('"', String.raw`\"`).repeat(300_000)}","b":{${'"c":1,'.repeat(300_000)}"d":1}}`;

    expect(found(text)).toEqual([['b', 'c']]);
  });
});
