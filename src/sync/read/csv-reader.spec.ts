import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { outcomeOf, readAll } from './read-records.fixture.js';

const PIECES = [1, 2, 7, 64 * 1024];

type Row = [body: string | number[], code: string, line: number, byteOffset: number, record: number | null];

const FAULTS: Row[] = [
  ['', 'empty', 1, 0, null],
  ['\ufeff\n \t\r\n', 'empty', 3, 8, null],
  ['a,b\n1\n', 'malformed_csv', 2, 4, 0],
  ['a,b\r\n1,2\r\n\r\n1,2,3\r\n', 'malformed_csv', 4, 12, 1],
  ['a,b\n"x\ny",1\n2', 'malformed_csv', 4, 12, 1],
  ['a,a\n', 'malformed_csv', 1, 0, null],
  ['\ufeff\na, a \n', 'malformed_csv', 2, 4, null],
  ['a,,b\n', 'malformed_csv', 1, 0, null],
  ['a,b\n1,x"y"\n', 'malformed_csv', 2, 4, 0],
  ['a,b\n1,2\n1,"x"y\n', 'malformed_csv', 3, 8, 1],
  ['a,b\n1,"2', 'truncated', 2, 8, 0],
  ['a,b\n1,2\n1,"2\n3,4\n', 'truncated', 5, 17, 1],
  ['"a', 'truncated', 1, 2, null],
  [[0x61, 0x0a, 0xc3], 'truncated', 2, 3, 0],
  [[0x61, 0x0a, 0x62, 0xff, 0x0a], 'invalid_utf8', 2, 3, 0],
  [[0x61, 0x0a, 0x62, 0x0a, 0xe2, 0x82, 0x0a], 'invalid_utf8', 3, 4, 1],
  [[0xff, 0xfe, 0x61, 0x00], 'invalid_utf8', 1, 0, null],
];

describe('Reading a CSV snapshot', () => {
  it.each(FAULTS.map((row) => [JSON.stringify(row[0]), row] as const))(
    'tells the fault of %s',
    async (_, [body, code, line, byteOffset, record]) => {
      for (const pieceBytes of PIECES) {
        expect(await outcomeOf('csv', Buffer.from(body as string), { pieceBytes })).toEqual({
          code,
          line,
          byteOffset,
          record,
        });
      }
    },
  );

  it('names fields by the header row and leaves empty cells out', async () => {
    for (const pieceBytes of PIECES) {
      const body = '\ufeff externalId ,"first Name"\r\n\r\n1,"a ""b"", c\nd"\n ,\n  \n,""\n2, é😀';
      expect(await readAll('csv', body, { pieceBytes })).toEqual([
        { externalId: '1', 'first Name': 'a "b", c\nd' },
        { externalId: ' ' },
        {},
        { externalId: '2', 'first Name': ' é😀' },
      ]);
    }
  });

  it('takes a header row alone for an empty snapshot', async () => {
    expect(await readAll('csv', 'a,b\n')).toEqual([]);
    expect(await readAll('csv', 'a')).toEqual([]);
  });

  it('makes a field of a column called __proto__', async () => {
    const [record] = await readAll('csv', '__proto__,constructor\nx,y\n');

    expect(Object.entries(record as object)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    expect(Object.getPrototypeOf(record)).toBe(Object.prototype);
  });

  it('accepts a row of exactly the limit and refuses one byte more, however it is cut', async () => {
    for (const pieceBytes of PIECES) {
      for (const end of ['\n', '\r\n', '']) {
        const body = `a,b\n\n1,${'x'.repeat(98)}${end}`;
        expect(await readAll('csv', body, { pieceBytes, maxRecordBytes: 100 })).toHaveLength(1);
        expect(await outcomeOf('csv', body, { pieceBytes, maxRecordBytes: 99 })).toEqual({
          code: 'record_too_large',
          line: 3,
          byteOffset: 104,
          record: 0,
        });
      }
      const endless = await outcomeOf('csv', `a,b\n1,"${'x\n'.repeat(500)}`, { pieceBytes, maxRecordBytes: 99 });
      expect(endless).toMatchObject({ code: 'record_too_large', byteOffset: 103, record: 0 });
    }
  });

  it('holds nothing of blank lines without end', async () => {
    expect(await readAll('csv', `a\n${'\r\n'.repeat(1_000_000)}1`)).toEqual([{ a: '1' }]);
  });

  it('reads back any table that was written by RFC 4180, cut anywhere', async () => {
    const cell = fc.string({
      unit: fc.constantFrom('a', '1', ' ', '"', ',', '\n', '\r\n', 'é', '漢', '😀', '__proto__'),
    });
    const name = fc.stringMatching(/^[a-z"_, 漢]{1,8}$/).map((one) => `n${one}n`);
    const table = fc.uniqueArray(name, { minLength: 2, maxLength: 5 }).chain((header) =>
      fc.record({
        header: fc.constant(header),
        rows: fc.array(fc.array(cell, { minLength: header.length, maxLength: header.length })),
        end: fc.constantFrom('\n', '\r\n'),
        quoteAll: fc.boolean(),
      }),
    );
    const write = (value: string, quoteAll: boolean) =>
      quoteAll || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
    await fc.assert(
      fc.asyncProperty(
        table,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 200 }),
        async ({ header, rows, end, quoteAll }, size, pieceBytes) => {
          const body = [header, ...rows].map((row) => row.map((value) => write(value, quoteAll)).join(',')).join(end);
          const expected = rows.map((row) =>
            Object.fromEntries(row.map((value, i) => [header[i], value]).filter(([, value]) => value !== '')),
          );
          expect(await readAll('csv', body, { pieceBytes }, [size])).toEqual(expected);
        },
      ),
      { numRuns: Number(process.env['READ_RUNS'] ?? 300) },
    );
  });

  it('tells the same fault of a broken table, cut anywhere', async () => {
    const noise = fc.array(fc.constantFrom(...Buffer.from('a1,,""\n\n\r '), 0xc3, 0xa9, 0xff), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(noise, fc.integer({ min: 1, max: 40 }), async (bytes, pieceBytes) => {
        const body = Buffer.concat([Buffer.from('a,b\n1,2\n'), Buffer.from(bytes)]);
        const limits = { maxRecordBytes: 30 };
        expect(await outcomeOf('csv', body, { ...limits, pieceBytes })).toEqual(await outcomeOf('csv', body, limits));
      }),
      { numRuns: Number(process.env['READ_RUNS'] ?? 300) },
    );
  });
});
