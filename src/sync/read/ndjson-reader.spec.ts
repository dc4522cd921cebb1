import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseExact } from '../../values/exact-json.js';
import { outcomeOf, readAll } from './read-records.fixture.js';

const PIECES = [1, 2, 7, 64 * 1024];

type Row = [body: string | number[], code: string, line: number, byteOffset: number, record: number | null];

const FAULTS: Row[] = [
  ['', 'empty', 1, 0, null],
  ['\ufeff\r\n \n', 'empty', 3, 7, null],
  ['{}\n{"a":\n{}', 'malformed_json', 2, 8, 1],
  ['{}\n{"a":\r\n{}', 'malformed_json', 2, 8, 1],
  ['{}\n{"a":"x\n', 'malformed_json', 2, 10, 1],
  ['{}\n\n{"a":01}\n{}\n', 'malformed_json', 3, 10, 1],
  ['{} {}\n', 'malformed_json', 1, 3, 0],
  ['{},\n{}\n', 'malformed_json', 1, 2, 0],
  ['[{},\n{}]\n', 'malformed_json', 1, 4, 0],
  ['{}\n\u00a0\n', 'malformed_json', 2, 3, 1],
  ['{}\r{}\n', 'malformed_json', 1, 3, 0],
  ['{}\n\ufeff{}\n', 'malformed_json', 2, 3, 1],
  ['{}\n{"a":1', 'truncated', 2, 9, 1],
  ['{}\n-', 'truncated', 2, 4, 1],
  ['{}\n{"a":"\\u00', 'truncated', 2, 13, 1],
  [[0x7b, 0x7d, 0x0a, 0x22, 0xe2, 0x82], 'truncated', 2, 6, 1],
  [[0x7b, 0x7d, 0x0a, 0x22, 0xe2, 0x0a, 0x31], 'invalid_utf8', 2, 4, 1],
  [[0x31, 0x0a, 0x22, 0xc0, 0xaf, 0x22, 0x0a], 'invalid_utf8', 2, 3, 1],
];

describe('Reading an NDJSON snapshot', () => {
  it.each(FAULTS.map((row) => [JSON.stringify(row[0]), row] as const))(
    'tells the fault of %s',
    async (_, [body, code, line, byteOffset, record]) => {
      for (const pieceBytes of PIECES) {
        expect(await outcomeOf('ndjson', Buffer.from(body as string), { pieceBytes })).toEqual({
          code,
          line,
          byteOffset,
          record,
        });
      }
    },
  );

  it('reads a value from each line that is not blank, whatever ends it', async () => {
    for (const pieceBytes of PIECES) {
      const body = '\ufeff{"a":1}\r\n\n \t\r\n {"b":"\\n😀"} \n[1]\nnull\n1e400';
      expect(JSON.stringify(await readAll('ndjson', body, { pieceBytes }))).toBe(
        '[{"a":1},{"b":"\\n😀"},[1],null,1e400]',
      );
    }
  });

  it('accepts a line of exactly the limit and refuses one byte more, however it is cut', async () => {
    const line = JSON.stringify({ a: 'x'.repeat(92) });
    for (const pieceBytes of PIECES) {
      for (const end of ['\n', '\r\n', '']) {
        const body = `{}\n${line}${end}`;
        expect(await readAll('ndjson', body, { pieceBytes, maxRecordBytes: 100 })).toHaveLength(2);
        expect(await outcomeOf('ndjson', body, { pieceBytes, maxRecordBytes: 99 })).toEqual({
          code: 'record_too_large',
          line: 2,
          byteOffset: 102,
          record: 1,
        });
      }
      const endless = `{"a":01,"b":"${'x'.repeat(300)}`;
      expect(await outcomeOf('ndjson', endless, { pieceBytes, maxRecordBytes: 99 })).toMatchObject({
        code: 'malformed_json',
        byteOffset: 6,
      });
    }
  });

  it('refuses a record that nests too deep, in front of later faults', async () => {
    for (const pieceBytes of PIECES) {
      const outcome = await outcomeOf('ndjson', '{"a":[]}\n{"a":[[]]}\noops\n', { pieceBytes, maxDepth: 2 });
      expect(outcome).toEqual({ code: 'nesting_too_deep', line: 2, byteOffset: 15, record: 1 });
    }
    const deep = await outcomeOf('ndjson', `${'['.repeat(30_000)}1e999${']'.repeat(30_000)}`);
    expect(deep).toMatchObject({ code: 'nesting_too_deep', byteOffset: 64 });
  });

  it('agrees with JSON.parse of each line, cut anywhere', async () => {
    const line = fc.oneof(
      fc.json(),
      fc.json({ stringUnit: 'binary' }),
      fc.constantFrom(
        '',
        ' ',
        '\t',
        '12345678901234567890',
        '{"a": 1e999}',
        '{',
        '{}}',
        '1 2',
        '"\u00a0"',
        '\u00a0',
        'nul',
        '-',
      ),
    );
    const end = fc.constantFrom('\n', '\n', '\r\n');
    const body = fc.array(fc.tuple(line, end), { minLength: 1 }).map((lines) => lines.flat().join(''));
    const noEnd = fc.boolean();
    await fc.assert(
      fc.asyncProperty(
        body,
        noEnd,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 200 }),
        async (text, cutEnd, size, pieceBytes) => {
          const bytes = Buffer.from(cutEnd ? text.trimEnd() : text);
          const lines = bytes
            .toString()
            .split('\n')
            .filter((one) => !/^[ \t\r]*$/.test(one));
          const outcome = await outcomeOf('ndjson', bytes, { pieceBytes }, [size]);
          let expected: unknown[] = [];
          try {
            expected = lines.map((one) => parseExact(one));
          } catch {
            expected = [];
          }
          if (expected.length > 0) {
            expect(outcome).toEqual({ records: expected });
          } else {
            expect(outcome).toHaveProperty('code');
            expect(await outcomeOf('ndjson', bytes)).toEqual(outcome);
          }
        },
      ),
      { numRuns: Number(process.env['READ_RUNS'] ?? 500) },
    );
  });
});
