import { describe, expect, it } from '@jest/globals';
import { AnswerReader } from './answer-reader.js';
import { SourceFault } from './source-fault.js';

interface ReadAnswer {
  rows: string[];
  told: Record<string, unknown>;
}

/** Reads an answer that comes in pieces of so many bytes. */
function read(text: string, rowsField: string | null, pieceBytes = 1 << 20, maxRowBytes = 1 << 20): ReadAnswer {
  const rows: string[] = [];
  const reader = new AnswerReader(rowsField, maxRowBytes, (row) => rows.push(row.toString()));
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieceBytes) reader.read(Buffer.from(bytes.subarray(at, at + pieceBytes)));
  reader.end();
  return { rows, told: Object.fromEntries(reader.told) };
}

const inText = (name: string, text: string) => `{"${name}":${JSON.stringify(text)}}`;

const ROW = '{"a":"}]\\"\\\\","b":[1,{"c":null}],"d":"é𝄞"}';

describe('the rows of an answer', () => {
  const pieces = [1, 2, 3, 7, 1000];

  it.each(pieces)('are found in a list, in pieces of %s bytes', (size) => {
    expect(read(`[${ROW}, ${ROW} ,1,"x,]",null]`, null, size).rows).toEqual([ROW, ROW, '1', '"x,]"', 'null']);
    expect(read(' [ ] ', null, size).rows).toEqual([]);
  });

  it.each(pieces)('are found in an object, along with what stands beside them, in pieces of %s bytes', (size) => {
    const text = `{"from":"2018-01-01", "other":{"rows":[1]} ,"rows":[${ROW},${ROW}],"to":"2018-01-06","next" : null}`;

    expect(read(text, 'rows', size)).toEqual({
      rows: [ROW, ROW],
      told: { from: '2018-01-01', other: { rows: [1] }, to: '2018-01-06', next: null },
    });
  });

  it.each(pieces)('are found in texts within objects that follow each other, in pieces of %s bytes', (size) => {
    const text = [inText('rows', `[${ROW},{}]`), inText('rows', '[]'), inText('rows', ` [${ROW}] `)].join('');

    expect(read(text, 'rows', size).rows).toEqual([ROW, '{}', ROW]);
    expect(read(`{"rows":"[\\u007b\\u0022a\\u0022:\\u0022\\ud834\\udd1e\\u0022}]"}`, 'rows', size).rows).toEqual([
      '{"a":"𝄞"}',
    ]);
  });

  it.each(pieces)('keep halves of surrogate pairs as they were escaped, in pieces of %s bytes', (size) => {
    const halves = '["\\ud834","\\udd1e","\\ud834x","\\ud834\\ud834\\udd1e"]';
    const text = `{"rows":"${halves.replaceAll('"', '\\"')}"}`;

    expect(read(text, 'rows', size).rows.map((row) => JSON.parse(row))).toEqual(JSON.parse(halves));
  });

  it('may be no JSON themselves', () => {
    expect(read('[{a:1},{"b"}]', null).rows).toEqual(['{a:1}', '{"b"}']);
  });
});

describe('an answer that is not as its dialect says', () => {
  it.each([
    ['', null],
    ['{}', null],
    ['[1', null],
    ['[1,]', null],
    ['[,1]', null],
    ['[1 2]', null],
    ['[1][2]', null],
    ['[1]x', null],
    ['"[]"', null],
    ['<html>', null],
    ['<html>', 'rows'],
    ['[]', 'rows'],
    ['{}', 'rows'],
    ['{"error":"x"}', 'rows'],
    ['{"rows":1}', 'rows'],
    ['{"rows":null}', 'rows'],
    ['{"rows":{}}', 'rows'],
    ['{"rows":[]', 'rows'],
    ['{"rows":[]]', 'rows'],
    ['{"rows" []}', 'rows'],
    ['{"rows":[],}', 'rows'],
    ['{rows:[]}', 'rows'],
    ['{"rows":""}', 'rows'],
    ['{"rows":"["}', 'rows'],
    ['{"rows":"[]x"}', 'rows'],
    ['{"rows":"[]\\x"}', 'rows'],
    ['{"rows":"[]\\u12"}', 'rows'],
    ['{"rows":[],"next":nul}', 'rows'],
    [`{"rows":[],"next":"${'x'.repeat(20_000)}"}`, 'rows'],
  ])('is refused: %s', (text, rowsField) => {
    for (const size of [1, 1000]) {
      expect(() => read(text, rowsField, size)).toThrow(expect.objectContaining({ code: 'malformed_answer' }));
    }
  });

  it('is refused if a row is too long, before its end', () => {
    for (const open of ['[{"a":"', '[[[[', '["', '[1']) {
      const reader = new AnswerReader(null, 1_000, () => undefined);
      reader.read(Buffer.from(open));
      expect(() => {
        for (let piece = 0; piece < 3; piece++) reader.read(Buffer.alloc(400, '1'));
      }).toThrow(expect.objectContaining({ code: 'row_too_large', remedy: 'none' }));
    }
  });
});

it.each(['[', '{', '"', '\\', ',', ':', ' ', '{"rows":"', '[{', '\\u', '{"a":', '"[\\"'])(
  'an answer of 300,000 characters is read in proportion to its length: %s',
  (piece) => {
    const long = piece.repeat(300_000 / piece.length);
    const begins = ['', '[', '{"rows":[', '{"rows":"[', '{"rows":"[\\"', '["', '{"x":'];
    for (const text of begins.map((begin) => begin + long)) {
      for (const [field, size] of [null, 'rows'].flatMap((name) =>
        [64, 65_536].map((bytes) => [name, bytes] as const),
      )) {
        expect(() => read(text, field, size)).toThrow(SourceFault);
      }
    }
    expect(read(`[${Array(150_000).fill(1).join(',')}]`, null).rows).toHaveLength(150_000);
  },
);
