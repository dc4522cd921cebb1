import { describe, expect, it } from '@jest/globals';
import { chunked, outcomeOf, readAll } from './read-records.fixture.js';
import { readRecords } from './read-records.js';

/** Both ends of what `pieceBytes` may be: everything crosses a piece, and everything lies in one. */
const PIECES = [1, 2, 7, 64 * 1024];

type Row = [body: string | number[], code: string, line: number, byteOffset: number, record: number | null];

const FAULTS: Row[] = [
  ['', 'empty', 1, 0, null],
  [' \n\t ', 'empty', 2, 4, null],
  ['\ufeff', 'empty', 1, 3, null],
  [[0xef, 0xbb], 'wrong_first_byte', 1, 0, null],
  [[0xef, 0xbb, 0x20, 0x5b, 0x5d], 'wrong_first_byte', 1, 0, null],
  ['\ufeff\ufeff[]', 'wrong_first_byte', 1, 3, null],
  [' \ufeff[]', 'wrong_first_byte', 1, 1, null],
  ['null', 'wrong_first_byte', 1, 0, null],
  ['\n"x"', 'wrong_first_byte', 2, 1, null],
  [']', 'wrong_first_byte', 1, 0, null],
  ['[', 'truncated', 1, 1, 0],
  ['[\n', 'truncated', 2, 2, 0],
  ['{', 'truncated', 1, 1, 0],
  ['{"a":1', 'truncated', 1, 6, 0],
  ['[{}', 'truncated', 1, 3, 1],
  ['[{},', 'truncated', 1, 4, 1],
  ['[{"a', 'truncated', 1, 4, 0],
  ['[{"a\\', 'truncated', 1, 5, 0],
  ['[{"a\\u00', 'truncated', 1, 8, 0],
  ['[{"a":-', 'truncated', 1, 7, 0],
  ['[1', 'truncated', 1, 2, 0],
  ['[{},tru', 'truncated', 1, 7, 1],
  [[0x5b, 0x22, 0xe2, 0x82], 'truncated', 1, 4, 0],
  ['[{},]', 'malformed_json', 1, 4, 1],
  ['[1,]', 'malformed_json', 1, 3, 1],
  ['[,]', 'malformed_json', 1, 1, 0],
  ['[ ,{}]', 'malformed_json', 1, 2, 0],
  ['[{},,{}]', 'malformed_json', 1, 4, 1],
  ['[1 2]', 'malformed_json', 1, 3, 1],
  ['[{}{}]', 'malformed_json', 1, 3, 1],
  ['[{}\n{}]', 'malformed_json', 2, 4, 1],
  ['[{}}]', 'malformed_json', 1, 3, 1],
  ['[{"a":1]', 'malformed_json', 1, 7, 0],
  ['[[1}]', 'malformed_json', 1, 3, 0],
  ['[{"a":1,}]', 'malformed_json', 1, 8, 0],
  ['[{"a"}]', 'malformed_json', 1, 5, 0],
  ['[{"a":}]', 'malformed_json', 1, 6, 0],
  ['[{"a" 1}]', 'malformed_json', 1, 6, 0],
  ['[{a:1}]', 'malformed_json', 1, 2, 0],
  ["[{'a':1}]", 'malformed_json', 1, 2, 0],
  ['[{1:1}]', 'malformed_json', 1, 2, 0],
  ['[{"a":1 "b":2}]', 'malformed_json', 1, 8, 0],
  ['[NaN]', 'malformed_json', 1, 1, 0],
  ['[Infinity]', 'malformed_json', 1, 1, 0],
  ['[undefined]', 'malformed_json', 1, 1, 0],
  ['[nul]', 'malformed_json', 1, 4, 0],
  ['[nullx]', 'malformed_json', 1, 5, 1],
  ['[True]', 'malformed_json', 1, 1, 0],
  ['[01]', 'malformed_json', 1, 2, 0],
  ['[-01]', 'malformed_json', 1, 3, 0],
  ['[-]', 'malformed_json', 1, 2, 0],
  ['[+1]', 'malformed_json', 1, 1, 0],
  ['[.5]', 'malformed_json', 1, 1, 0],
  ['[1.]', 'malformed_json', 1, 3, 0],
  ['[1.5.2]', 'malformed_json', 1, 4, 1],
  ['[1e]', 'malformed_json', 1, 3, 0],
  ['[1e+]', 'malformed_json', 1, 4, 0],
  ['[0x1]', 'malformed_json', 1, 2, 1],
  ['[1_000]', 'malformed_json', 1, 2, 1],
  ['[{"a":"\\x"}]', 'malformed_json', 1, 8, 0],
  ['[{"a":"\\u12G4"}]', 'malformed_json', 1, 11, 0],
  ['[{"a":"\n"}]', 'malformed_json', 1, 7, 0],
  ['[{"a":"\u0000"}]', 'malformed_json', 1, 7, 0],
  ['[{"a":"\t"}]', 'malformed_json', 1, 7, 0],
  ['[{}\u00a0]', 'malformed_json', 1, 3, 1],
  ['[{}\f]', 'malformed_json', 1, 3, 1],
  ['[{} // note\n]', 'malformed_json', 1, 4, 1],
  ['[{},\n{},\n{"a":01}]', 'malformed_json', 3, 15, 2],
  [[0x5b, 0x22, 0xff, 0x22, 0x5d], 'invalid_utf8', 1, 2, 0],
  [[0x5b, 0x22, 0x80, 0x22, 0x5d], 'invalid_utf8', 1, 2, 0],
  [[0x5b, 0x22, 0x61, 0xc3, 0x22, 0x5d], 'invalid_utf8', 1, 3, 0],
  [[0x5b, 0x22, 0xc0, 0xaf, 0x22, 0x5d], 'invalid_utf8', 1, 2, 0],
  [[0x5b, 0x22, 0xe0, 0x80, 0xaf, 0x22, 0x5d], 'invalid_utf8', 1, 2, 0],
  [[0x5b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x5d], 'invalid_utf8', 1, 2, 0],
  [[0x5b, 0x22, 0xf0, 0x8f, 0xbf, 0xbf, 0x22, 0x5d], 'invalid_utf8', 1, 2, 0],
  [[0x5b, 0x22, 0xf4, 0x90, 0x80, 0x80, 0x22, 0x5d], 'invalid_utf8', 1, 2, 0],
  [[0x5b, 0x22, 0xe2, 0x82, 0x41, 0x22, 0x5d], 'invalid_utf8', 1, 2, 0],
  ['[{}]]', 'trailing_data', 1, 4, null],
  ['[{}] [{}]', 'trailing_data', 1, 5, null],
  ['[]\n{}', 'trailing_data', 2, 3, null],
  ['{}{}', 'trailing_data', 1, 2, null],
  ['{},{}', 'trailing_data', 1, 2, null],
  ['[{}],{}', 'trailing_data', 1, 4, null],
  ['[{}]\u0000', 'trailing_data', 1, 4, null],
];

const show = ([body, code]: Row): string =>
  `${typeof body === 'string' ? JSON.stringify(body) : Buffer.from(body).toString('hex')}: ${code}`;

describe('Reading a JSON snapshot', () => {
  it.each(FAULTS.map((row) => [show(row), row] as const))(
    'tells the fault of %s',
    async (_, [body, code, line, byteOffset, record]) => {
      for (const pieceBytes of PIECES) {
        const outcome = await outcomeOf('json', Buffer.from(body as string), { pieceBytes });
        expect(outcome).toEqual({ code, line, byteOffset, record });
      }
    },
  );

  it.each([
    ['[]', []],
    [' \r\n[ \n] \t\r\n', []],
    ['\ufeff[{"a":1}]', [{ a: 1 }]],
    ['{"a":{"b":[1,{}]}}', [{ a: { b: [1, {}] } }]],
    ['\ufeff {"a":"}"} \n', [{ a: '}' }]],
    ['[1,"}{",null,true,[],[[{}]],-0.5e-3]', [1, '}{', null, true, [], [[{}]], -0.0005]],
    ['[{"a":"},{"},{"b":"\\"},{"}]', [{ a: '},{' }, { b: '"},{' }]],
    ['["\\ud83d\\ude00\\/","\\ud800"," "]', ['😀/', '\ud800', ' ']],
    ['[{"a":1,"a":2}]', [{ a: 2 }]],
  ])('reads %j', async (body, expected) => {
    for (const pieceBytes of PIECES) {
      expect(await readAll('json', body, { pieceBytes })).toEqual(expected);
    }
  });

  it('keeps a field called __proto__ as a field', async () => {
    const [record] = await readAll('json', '[{"__proto__":{"admin":true}}]');

    expect(Object.keys(record as object)).toEqual(['__proto__']);
    expect((record as { admin?: boolean }).admin).toBeUndefined();
  });

  it('says what it expected without quoting what a record contains', async () => {
    const read = (body: string) => readAll('json', body);

    await expect(read('[{},]')).rejects.toThrow('Expected a value but found ] (U+005D).');
    await expect(read('[{"a";1}]')).rejects.toThrow('Expected a colon but found ; (U+003B).');
    await expect(read('[{"name":Smith}]')).rejects.toThrow('Expected a value but found a letter.');
    await expect(read('[{"name":"Smith" 4}]')).rejects.toThrow('Expected a comma or } but found a digit.');
  });

  it('accepts a record of exactly the limit and refuses one byte more, however it is cut', async () => {
    const record = JSON.stringify({ a: 'x'.repeat(92) });
    for (const pieceBytes of PIECES) {
      const limits = { pieceBytes, maxRecordBytes: 100 };
      expect(await readAll('json', `[${record}, ${record}]`, limits)).toHaveLength(2);
      expect(await outcomeOf('json', `[${record}, ${record}]`, { ...limits, maxRecordBytes: 99 })).toEqual({
        code: 'record_too_large',
        line: 1,
        byteOffset: 100,
        record: 0,
      });
      expect(await outcomeOf('json', `[1,\n[${'1,'.repeat(60)}`, limits)).toMatchObject({
        code: 'record_too_large',
        byteOffset: 104,
      });
      expect(await outcomeOf('json', `[1,\n${'1'.repeat(101)}]`, limits)).toMatchObject({
        code: 'record_too_large',
        record: 1,
      });
    }
  });

  it('tells the earlier of two faults, whichever kinds they are', async () => {
    for (const pieceBytes of PIECES) {
      const limits = { pieceBytes, maxRecordBytes: 20, maxDepth: 3 };
      expect(await outcomeOf('json', `[{"a":01,"b":"${'x'.repeat(30)}"}]`, limits)).toMatchObject({
        code: 'malformed_json',
      });
      expect(await outcomeOf('json', `[{"b":"${'x'.repeat(30)}","a":01}]`, limits)).toMatchObject({
        code: 'record_too_large',
      });
      expect(await outcomeOf('json', '[[[[[1]]]],oops]', limits)).toMatchObject({
        code: 'nesting_too_deep',
        byteOffset: 4,
      });
      expect(await outcomeOf('json', '[oops,[[[[1]]]]]', limits)).toMatchObject({
        code: 'malformed_json',
        byteOffset: 1,
      });
    }
  });

  it('counts levels from the record on and refuses the first that is too many', async () => {
    const nest = (levels: number) => '{"a":'.repeat(levels) + '12345678901234567890' + '}'.repeat(levels);
    for (const pieceBytes of PIECES) {
      expect(await readAll('json', `[{},${nest(64)},1]`, { pieceBytes })).toHaveLength(3);
      expect(await readAll('json', nest(64), { pieceBytes })).toHaveLength(1);
      expect(await outcomeOf('json', `[{},${nest(65)}]`, { pieceBytes })).toMatchObject({
        code: 'nesting_too_deep',
        byteOffset: 324,
        record: 1,
      });
    }
  });

  it('survives brackets without end', async () => {
    const outcome = await outcomeOf('json', '['.repeat(500_000));

    expect(outcome).toEqual({ code: 'nesting_too_deep', line: 1, byteOffset: 65, record: 0 });
    expect(await outcomeOf('json', `${'['.repeat(30_000)}1e999${']'.repeat(30_000)}`)).toEqual(outcome);
  });

  it('takes linear time for a record that arrives a byte at a time', async () => {
    const body = Buffer.from(`[{"a":"${'}'.repeat(900_000)}"}]`);

    expect(await readAll('json', body, {}, [1])).toEqual([{ a: '}'.repeat(900_000) }]);
  });

  it('passes an error of the source through untouched', async () => {
    const broken = new Error('the disk is gone');
    async function* source() {
      yield Buffer.from('[{},');
      throw broken;
    }
    const reading = (async () => {
      for await (const _ of readRecords('json', source()));
    })();

    await expect(reading).rejects.toBe(broken);
  });

  it('closes the source when its reader stops early', async () => {
    let isClosed = false;
    async function* source() {
      try {
        yield* chunked(Buffer.from(`[${'{},'.repeat(100_000)}{}]`), [1000]);
      } finally {
        isClosed = true;
      }
    }
    for await (const batch of readRecords('json', source())) {
      expect(batch.firstIndex).toBe(0);
      break;
    }

    expect(isClosed).toBe(true);
  });
});
