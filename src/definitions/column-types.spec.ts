import { describe, expect, it } from '@jest/globals';
import { expectProportionateTime, literalOf, ODD_NUMBERS } from '../../test/hostile/odd-texts.js';
import { parseExact } from '../values/exact-json.js';
import { columnType, type ColumnType, Fault } from './column-types.js';
import { identifying } from './identifying.js';

const times = (unit: string, count: number) => unit.repeat(count);

/** A value as the reader of records gives it: numbers that a double cannot hold are raw. */
const json = parseExact;

const lists = (depth: number): unknown => parseExact(`${times('[', depth)}${times(']', depth)}`);

/** Each check takes a second or less; a busy machine may need ten times as long. */
const BUSY_MS = 120_000;

const UNICORN = '🦄';
const UUID = '0193de4c-5b6a-7c21-9f60-0f3a1de0a8c2';
const NO_TEXT = 'contains a NUL or an unpaired surrogate';
const NO_INTEGER = 'must be a whole number of 64 bits';
const NO_NUMBER = 'must be a decimal number';
const NO_DAY = 'must be a calendar day as YYYY-MM-DD';
const NO_INSTANT = 'must be an instant such as 2026-11-21T10:00:00Z, no finer than a microsecond';
const TOO_LARGE = 'contains a number that is too large or too long';

/** What a type makes of values: the text for COPY of good ones, and what is wrong with bad ones. */
interface Spellings {
  good: [value: unknown, text: string][];
  bad: [value: unknown, detail: string][];
}

/** The same for each of them. */
const good = (values: unknown[], text: string): Spellings['good'] => values.map((value) => [value, text]);
const bad = (values: unknown[], detail: string): Spellings['bad'] => values.map((value) => [value, detail]);

/** Of records in JSON; of strings also in the cells of CSV, where a type has no spellings of its own for these. */
const VALUES: Record<string, Spellings> = {
  text: {
    good: [
      ['', ''],
      [' two  blanks ', ' two  blanks '],
      ['tab\tline\r\nquote"backslash\\N', 'tab\tline\r\nquote"backslash\\N'],
      // Composed or not, in the form in which it came.
      ['é', 'é'],
      ['e\u0301', 'e\u0301'],
      ['\u0001\u007f\ufeff\uffff', '\u0001\u007f\ufeff\uffff'],
      [times('a', 250), times('a', 250)],
      // A limit is of characters, of which some have two units.
      [times(UNICORN, 250), times(UNICORN, 250)],
    ],
    bad: [
      ...bad([12, 1.5, true, false, {}, [], ['a'], json('12345678901234567890')], 'must be a string'),
      ...bad(['\0', 'a\0b', '\ud800', '\udc00\ud83e', `a\udfff${UNICORN}`], NO_TEXT),
      ...bad([times('a', 251), times(UNICORN, 251), times('\0', 251)], 'must have at most 250 characters'),
    ],
  },
  'text(1)': {
    good: [
      ['a', 'a'],
      [UNICORN, UNICORN],
    ],
    bad: bad(['ab', 'e\u0301'], 'must have at most 1 characters'),
  },
  'text(10000)': {
    good: [[times(UNICORN, 10_000), times(UNICORN, 10_000)]],
    bad: bad([times('a', 10_001)], 'must have at most 10000 characters'),
  },
  integer: {
    good: [
      ...good([0, -0, '0', '-0', '000', '0.0', '-0.00', json('0e999')], '0'),
      ...good([7, '7', '007', '7.0', json('7.000'), json('70e-1'), json('0.7e1')], '7'),
      ...good([-7, '-7', '-007'], '-7'),
      ...good([json('1e3'), json('1E+3'), '1000', '1000.00'], '1000'),
      ...good([json('9007199254740993'), '9007199254740993'], '9007199254740993'),
      ...good([json('1e18'), 1e18], '1000000000000000000'),
      ...good(
        [
          json('9223372036854775807'),
          '9223372036854775807',
          json('9223372036854775807.000'),
          json('922337203685477580.7e1'),
        ],
        '9223372036854775807',
      ),
      ...good([json('-9223372036854775808'), '-9223372036854775808'], '-9223372036854775808'),
      [`${times('0', 399)}1`, '1'],
      [`1.${times('0', 400)}`, '1'],
    ],
    bad: [
      ...bad([json('9223372036854775808'), '9223372036854775808', '-9223372036854775809', 1e19], NO_INTEGER),
      ...bad([json('1e400'), json('-1e400'), json('1e-400'), json('1e999999999')], NO_INTEGER),
      ...bad([1.5, '1.5', 0.1, '1.0000000000000000001', json('9007199254740993.5')], NO_INTEGER),
      ...bad(['', '-', '+5', ' 5', '5 ', '5\n', '1e3', '1.', '.5', '0x10', '1_000', '1,000', '٣'], NO_INTEGER),
      ...bad([true, {}, [], [1], `1.${times('0', 401)}`, times('0', 401), times('1', 401)], NO_INTEGER),
    ],
  },
  'decimal(15,4)': {
    good: [
      ...good([0, -0, '-0.0000', json('0e999')], '0'),
      ...good([4.46, '4.46', '4.4600', '004.46000000', json('446e-2'), json('0.000446E+4')], '4.46'),
      ...good([-0.5, '-0.50'], '-0.5'),
      ...good([json('1.2e3'), 1200, '1200.0'], '1200'),
      ...good([0.0001, '0.0001', json('1e-4'), json('0.00010000000')], '0.0001'),
      ...good([json('99999999999.9999'), '99999999999.9999'], '99999999999.9999'),
      ['-99999999999.9999', '-99999999999.9999'],
    ],
    bad: [
      ...bad(
        [1e11, '100000000000', json('1e11'), 0.00001, '0.00001', json('1e-7'), json('0.1000000000000000055')],
        'must have at most 11 digits before and 4 after the point',
      ),
      ...bad(
        [json('1e400'), json('1e-400'), json('12345678901234567890'), times('1', 400)],
        'must have at most 11 digits before and 4 after the point',
      ),
      ...bad(['', '-', '+1', '.5', '1.', '1e3', '$1', '1,5', ' 1', '1 ', 'NaN', 'Infinity'], NO_NUMBER),
      ...bad([true, {}, [], times('1', 401), `1.${times('0', 401)}`], NO_NUMBER),
    ],
  },
  'decimal(38,10)': {
    good: [
      ...good(
        [json('1234567890123456789012345678.0123456789'), '1234567890123456789012345678.0123456789'],
        '1234567890123456789012345678.0123456789',
      ),
      ...good([1e-10, json('1e-10'), '0.0000000001'], '0.0000000001'),
      [1e27, `1${times('0', 27)}`],
      [`-${times('9', 28)}.${times('9', 10)}`, `-${times('9', 28)}.${times('9', 10)}`],
    ],
    bad: bad(
      [times('9', 29), 1e28, '0.00000000001', json('1234567890123456789012345678.01234567891')],
      'must have at most 28 digits before and 10 after the point',
    ),
  },
  // Nothing before the point.
  'decimal(38,38)': {
    good: [
      ['0', '0'],
      [`-0.${times('9', 38)}`, `-0.${times('9', 38)}`],
      [json(`0.${times('0', 37)}1`), `0.${times('0', 37)}1`],
      [1e-38, `0.${times('0', 37)}1`],
    ],
    bad: bad([1, '1.0', '-1', 1e-39], 'must have at most 0 digits before and 38 after the point'),
  },
  // Nothing after it.
  'decimal(38,0)': {
    good: [
      [json(times('9', 38)), times('9', 38)],
      [1e37, `1${times('0', 37)}`],
      ['1.000', '1'],
    ],
    bad: bad([1e38, 0.5, '0.1'], 'must have at most 38 digits before and 0 after the point'),
  },
  boolean: {
    good: [
      [true, 'true'],
      [false, 'false'],
    ],
    bad: bad(['true', 'false', '', 1, 0, {}, []], 'must be true or false'),
  },
  date: {
    good: ['0001-01-01', '2000-02-29', '2024-02-29', '2026-11-21', '9999-12-31'].map((day) => [day, day]),
    bad: [
      ...bad(['1900-02-29', '2023-02-29', '2026-04-31', '2026-13-01', '2026-00-01', '2026-01-00'], NO_DAY),
      ...bad(['0000-01-01', '10000-01-01', '-001-01-01'], NO_DAY),
      ...bad(['', '2026-1-1', '20261121', '2026-11-21 ', '2026-11-21T00:00:00Z', 'today', 'infinity'], NO_DAY),
      ...bad([20261121, json('20261121'), true, {}, ['2026-11-21']], NO_DAY),
    ],
  },
  instant: {
    good: [
      ...good(
        [
          '2026-11-21T10:00:00Z',
          '2026-11-21t10:00:00z',
          '2026-11-21T10:00:00.000000000Z',
          '2026-11-21T11:30:00+01:30',
          '2026-11-21T00:00:00-10:00',
        ],
        '2026-11-21T10:00:00.000Z',
      ),
      ['2026-11-21', '2026-11-21T00:00:00.000Z'],
      ['2026-11-21T10:00:00.25Z', '2026-11-21T10:00:00.250Z'],
      ['2026-11-21T10:00:00.123456Z', '2026-11-21T10:00:00.123456Z'],
      ['2026-11-21T10:00:00.1234500Z', '2026-11-21T10:00:00.12345Z'],
      ['2026-12-31T23:59:59.999999-00:01', '2027-01-01T00:00:59.999999Z'],
      ['0001-01-01T00:00:00-00:01', '0001-01-01T00:01:00.000Z'],
      ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z'],
    ],
    bad: [
      ...bad(['2026-11-21T10:00:00.0000001Z', '2016-12-31T23:59:60Z', '2026-11-21T24:00:00Z'], NO_INSTANT),
      ...bad(['0001-01-01T00:00:00+00:01', '9999-12-31T23:59:00-00:01', '0000-06-01'], NO_INSTANT),
      ...bad(['', '2026-02-30', '2026-11-21T10:00:00', '2026-11-21 10:00:00Z', 'now', '1763719200'], NO_INSTANT),
      ...bad([1763719200, true, {}, ['2026-11-21']], NO_INSTANT),
    ],
  },
  uuid: {
    good: good([UUID, UUID.toUpperCase()], UUID),
    bad: bad(
      [
        '',
        UUID.slice(1),
        `${UUID}0`,
        ` ${UUID}`,
        `{${UUID}}`,
        `urn:uuid:${UUID}`,
        UUID.replaceAll('-', ''),
        UUID.replace('c', 'g'),
        UUID.replace('-', '0'),
        12,
        {},
      ],
      'must be a UUID',
    ),
  },
  json: {
    good: [
      [{ a: [1, 'x', null, true], b: {} }, '{"a":[1,"x",null,true],"b":{}}'],
      ['a "text"', '"a \\"text\\""'],
      [false, 'false'],
      [0, '0'],
      [[], '[]'],
      [json('{"n":12345678901234567890.123456789}'), '{"n":12345678901234567890.123456789}'],
      [json('[1e400,-1e-400]'), '[1e400,-1e-400]'],
      [json(times('9', 400)), times('9', 400)],
      [json('{"__proto__":{"a":1},"constructor":2,"toJSON":3}'), '{"__proto__":{"a":1},"constructor":2,"toJSON":3}'],
      [lists(1_001), `${times('[', 1_001)}${times(']', 1_001)}`],
    ],
    bad: [
      ...bad(['a\0', ['\ud800'], { a: { b: ['\udc00'] } }, { 'a\0': 1 }, [{ '\udfff': null }]], NO_TEXT),
      ...bad([json('1e401'), json('-1e500'), json('[1e-401]'), json('{"a":[1e999999999999]}')], TOO_LARGE),
      ...bad([json(times('9', 401)), json(`0.${times('0', 400)}1`)], TOO_LARGE),
      ...bad([lists(1_002), lists(100_000)], 'has more than 1000 lists and objects within each other'),
    ],
  },
  'text[]': {
    good: [
      [[], '{}'],
      [['a'], '{"a"}'],
      [['a', 'a', 'b'], '{"a","a","b"}'],
      [['', ' ', 'NULL', 'null'], '{""," ","NULL","null"}'],
      [['"', '\\', 'a,b', '{c}', 'line\n'], String.raw`{"\"","\\","a,b","{c}","line${'\n'}"}`],
      [[times(UNICORN, 250)], `{"${times(UNICORN, 250)}"}`],
      [Array(1_000).fill('a'), `{${Array(1_000).fill('"a"').join(',')}}`],
    ],
    bad: [
      ...bad(['a', '{"a"}', 12, true, {}, { 0: 'a', length: 1 }], 'must be a list of strings'),
      ...bad(
        [[null], ['a', 1], [['a']], [{}], json('[12345678901234567890]')],
        'is a list whose items must be strings',
      ),
      ...bad([['a\0'], ['a', '\ud800']], 'is a list whose items contain a NUL or an unpaired surrogate'),
      [[times('a', 251)], 'is a list whose items must have at most 250 characters'],
      [Array(1_001).fill('a'), 'must have at most 1000 items'],
    ],
  },
};

/** What the cells of CSV say, where that is not what a string in JSON says. */
const CELLS: Record<string, Spellings> = {
  boolean: {
    good: [...good(['true', 'True', 'TRUE'], 'true'), ...good(['false', 'FALSE'], 'false')],
    bad: bad(['', '1', '0', 'yes', 't', 'true ', ' true', 'true\n', 'truely', 'falſe'], 'must be true or false'),
  },
  json: {
    good: [
      ['{"a": 12345678901234567890}', '{"a":12345678901234567890}'],
      [' [1,\n2] ', '[1,2]'],
      ['12', '12'],
      ['-9007199254740993', '-9007199254740993'],
      ['"text"', '"text"'],
      ['{"a":null}', '{"a":null}'],
    ],
    bad: [
      ...bad(['', 'text', '{', "{'a':1}", '01', '[1,]', 'NaN', '[1]x', 'undefined'], 'must be JSON'),
      ...bad(['null', ' null '], 'must not be null'),
      ...bad(['"\\u0000"', '{"\\ud800":1}'], NO_TEXT),
      ['[1e500]', TOO_LARGE],
    ],
  },
  'text[]': {
    good: [
      ['[]', '{}'],
      [String.raw`["a", "\"b\"", "c\\d", "e,f"]`, String.raw`{"a","\"b\"","c\\d","e,f"}`],
    ],
    bad: [
      ...bad(['', 'a', 'a,b', '{"a"', "['a']", '["a",]'], 'must be JSON'),
      ...bad(['"a"', '{"a":"b"}', '12'], 'must be a list of strings'),
      ...bad(['[null]', '[1]', '[["a"]]'], 'is a list whose items must be strings'),
      ['null', 'must not be null'],
    ],
  },
};

function typeOf(name: string): ColumnType {
  const type = columnType(name);
  if (type instanceof Fault) throw new Error(type.detail);
  return type;
}

/** A title for each. */
const titled = <Row extends [value: unknown, ...unknown[]]>(rows: Row[]) =>
  rows.map((row) => [shown(row[0]), ...row] as const);

function shown(value: unknown): string {
  // Of a value that is nested too deep.
  const text = Array.isArray(value) && value.length === 1 ? '[…]' : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

describe.each(Object.entries(VALUES))('a value of the type %s', (name, spellings) => {
  const type = typeOf(name);

  it.each(titled(spellings.good))('may be %s', (_, value, text) => {
    expect(type.read(value)).toBe(text);
  });

  it.each(titled(spellings.bad))('cannot be %s', (_, value, detail) => {
    expect(type.read(value)).toEqual(new Fault(detail));
  });
});

describe.each(Object.entries(CELLS))('a cell of the type %s', (name, spellings) => {
  const { readCell } = typeOf(name);

  it.each(titled(spellings.good))('may be %s', (_, cell, text) => {
    expect(readCell?.(cell as string)).toBe(text);
  });

  it.each(titled(spellings.bad))('cannot be %s', (_, cell, detail) => {
    expect(readCell?.(cell as string)).toEqual(new Fault(detail));
  });
});

it('a cell of any other type is read like a string in JSON', () => {
  const others = Object.keys(VALUES).filter((name) => !(name in CELLS));

  expect(others.filter((name) => typeOf(name).readCell !== undefined)).toEqual([]);
});

describe('a text that names a record', () => {
  const type = identifying(typeOf('text'), 250);

  it.each(
    titled([
      ['5', '5'],
      ['007', '007'],
      ['1e3', '1e3'],
      [' ', ' '],
      [5, '5'],
      [-0, '0'],
      [json('1e3'), '1000'],
      [1e21, `1${times('0', 21)}`],
      [json('12345678901234567890'), '12345678901234567890'],
      [json(`-${times('9', 249)}`), `-${times('9', 249)}`],
      [times(UNICORN, 250), times(UNICORN, 250)],
    ]),
  )('may be %s', (_, value, text) => {
    expect(type.read(value)).toBe(text);
  });

  it.each(
    titled([
      ['', 'must not be empty'],
      [1.5, 'must be a string or an integer'],
      [true, 'must be a string or an integer'],
      [{}, 'must be a string or an integer'],
      [json('1e400'), 'must be a string or an integer'],
      [json('9007199254740993.5'), 'must be a string or an integer'],
      [json(times('9', 251)), 'must have at most 250 characters'],
      [json(times('9', 2_000)), 'must have at most 250 characters'],
      [times('a', 251), 'must have at most 250 characters'],
      ['a\0', NO_TEXT],
    ]),
  )('cannot be %s', (_, value, detail) => {
    expect(type.read(value)).toEqual(new Fault(detail));
  });

  it('keeps a lower limit of its own', () => {
    const short = identifying(typeOf('text(3)'), 250);

    expect(short.read('abc')).toBe('abc');
    expect(short.read(123)).toBe('123');
    expect(short.read('abcd')).toEqual(new Fault('must have at most 3 characters'));
    expect(short.read(1234)).toEqual(new Fault('must have at most 3 characters'));
  });

  it('is no other than that if it is not a text', () => {
    expect(identifying(typeOf('integer'), 250)).toBe(typeOf('integer'));
  });
});

describe('a stored value', () => {
  it.each<[type: string, jsonb: string, shown: unknown]>([
    // The double that is nearest to it is two less.
    ['integer', '18014398509482010', '18014398509482010'],
    ['integer', '-18014398509482010', '-18014398509482010'],
    ['integer', '1000000000000000000000', '1000000000000000000000'],
    ['text', String.raw`"a \"b\"\n"`, 'a "b"\n'],
    ['integer', '12', 12],
    ['integer', '0', 0],
    ['integer', '9007199254740991', 9007199254740991],
    ['integer', '-9007199254740991', -9007199254740991],
    // Other programs would round these.
    ['integer', '9007199254740992', '9007199254740992'],
    ['integer', '-9007199254740993', '-9007199254740993'],
    ['integer', '1000000000000000000', '1000000000000000000'],
    ['integer', '9223372036854775807', '9223372036854775807'],
    ['integer', '-9223372036854775808', '-9223372036854775808'],
    ['decimal(15,4)', '4.4600', '4.46'],
    ['decimal(15,4)', '7.1000', '7.10'],
    ['decimal(15,4)', '-3.0000', '-3.00'],
    ['decimal(15,4)', '1.2345', '1.2345'],
    ['decimal(15,4)', '0.0000', '0.00'],
    ['decimal(15,4)', '99999999999.9999', '99999999999.9999'],
    ['decimal(38,10)', '0.0000000001', '0.0000000001'],
    ['decimal(38,10)', '1000000000000000000000000000.0000000000', `1${times('0', 27)}.00`],
    ['decimal(38,10)', '1234567890123456789012345678.0123456789', '1234567890123456789012345678.0123456789'],
    ['decimal(38,38)', `-0.${times('0', 37)}1`, `-0.${times('0', 37)}1`],
    ['decimal(5,5)', '0.50000', '0.50'],
    // Where there is no room for two decimals, there is none for needless zeros either.
    ['decimal(5,1)', '5.0', '5.0'],
    ['decimal(38,0)', '5', '5'],
    ['decimal(38,0)', `1${times('0', 37)}`, `1${times('0', 37)}`],
    ['boolean', 'false', false],
    ['date', '"0001-01-01"', '0001-01-01'],
    ['instant', '"2026-11-21T10:00:00+00:00"', '2026-11-21T10:00:00.000Z'],
    ['instant', '"2026-11-21T10:00:00.25+00:00"', '2026-11-21T10:00:00.250Z'],
    ['instant', '"2026-11-21T10:00:00.123456+00:00"', '2026-11-21T10:00:00.123456Z'],
    ['instant', '"2026-11-21T10:00:00.000001+00:00"', '2026-11-21T10:00:00.000001Z'],
    ['instant', '"0001-01-01T00:00:00+00:00"', '0001-01-01T00:00:00.000Z'],
    ['uuid', `"${UUID}"`, UUID],
    ['json', '{"a": [1, null, "x"]}', { a: [1, null, 'x'] }],
    ['text[]', '["a", "", "NULL"]', ['a', '', 'NULL']],
    ['text[]', '[]', []],
  ])('of the type %s that PostgreSQL writes as %s leaves as %j', (name, jsonb, shown) => {
    expect(typeOf(name).show(parseExact(jsonb))).toEqual(shown);
  });

  it('of JSON keeps numbers that a double cannot hold', () => {
    const stored = '{"n":[12345678901234567890.123456789,1]}';

    expect(JSON.stringify(typeOf('json').show(parseExact(stored)))).toBe(stored);
  });
});

describe('the name of a type', () => {
  it.each([
    ['text', 'text'],
    ['text(250)', 'text'],
    ['text(1)', 'text(1)'],
    ['text (40)', 'text(40)'],
    ['text( 10000 )', 'text(10000)'],
    ['integer', 'integer'],
    ['decimal(15,4)', 'decimal(15,4)'],
    ['decimal(15, 4)', 'decimal(15,4)'],
    ['decimal(38,38)', 'decimal(38,38)'],
    ['decimal(38,0)', 'decimal(38,0)'],
    ['decimal(1,0)', 'decimal(1,0)'],
    ['boolean', 'boolean'],
    ['date', 'date'],
    ['instant', 'instant'],
    ['uuid', 'uuid'],
    ['json', 'json'],
    ['text[]', 'text[]'],
  ])('may be %s', (written, name) => {
    expect(typeOf(written).name).toBe(name);
  });

  it.each([
    '',
    'Text',
    'varchar(40)',
    'int',
    'numeric(15,4)',
    'integer(4)',
    'integer[]',
    'text(40)[]',
    'text?',
    'text()',
    'text(-1)',
    'text(4e1)',
    'decimal',
    ' text',
    'constructor',
    'text(40); drop table x',
    `text(${times(' ', 300_000)}40)`,
    times('text', 100_000),
  ])('cannot be %#', (written) => {
    expect(columnType(written)).toBeInstanceOf(Fault);
    expect(columnType(written)).toEqual({
      detail: expect.stringMatching(/^is not a type; there are text, text\(n\), integer/),
    });
  });

  it.each(['text(0)', 'text(10001)', 'text(99999)', 'text(5,2)'])('cannot be %s, as it is out of bounds', (written) => {
    expect(columnType(written)).toEqual(new Fault('must be text(n) with n from 1 to 10000, such as text(40)'));
  });

  it.each(['decimal(15)', 'decimal(0,0)', 'decimal(39,0)', 'decimal(39,39)', 'decimal(4,5)', 'decimal(38,99)'])(
    'cannot be %s, as it has too many digits or too few',
    (written) => {
      expect(columnType(written)).toEqual(
        new Fault('must be decimal(p,s) with p from 1 to 38 and s from 0 to p, such as decimal(15,4)'),
      );
    },
  );

  it.each([...Object.keys(VALUES), 'decimal(1,0)', 'decimal(1,1)', 'decimal(2,1)', 'decimal(5,5)'])(
    'comes with an example: %s',
    (name) => {
      const type = typeOf(name);

      expect(type.read(type.example)).not.toBeInstanceOf(Fault);
    },
  );
});

describe('reading takes time in proportion to the length of', () => {
  /** Most of it is refused, which is for the tests above. */
  const readAs = (type: ColumnType, value: unknown, text: string) => {
    type.read(value);
    type.readCell?.(text);
  };
  const types = [...Object.keys(VALUES).map(typeOf), identifying(typeOf('text(10000)'), 250)];

  it.each(types.map((type) => [type.name, type] as const))(
    'texts, also in lists and as names: %s',
    (name, type) =>
      expectProportionateTime(name, (text) => {
        for (const value of [text, [text], { [text]: text }]) readAs(type, value, JSON.stringify(value));
        readAs(type, text, text);
      }),
    BUSY_MS,
  );

  it.each(types.map((type) => [type.name, type] as const))(
    'numbers: %s',
    (name, type) =>
      expectProportionateTime(name, (text) => readAs(type, parseExact(literalOf(text)), literalOf(text)), {
        texts: ODD_NUMBERS,
      }),
    BUSY_MS,
  );

  it('names of types', () => expectProportionateTime('types', (text) => columnType(`decimal(${text})`)), BUSY_MS);

  it('long lists and deep ones', () =>
    expectProportionateTime('json', (text) => readAs(typeOf('json'), parseExact(literalOf(text)), text), {
      texts: [
        ['items', (length) => `[${times('0,', length / 2)}0]`],
        ['names', (length) => `{${Array.from({ length: length / 10 }, (_, n) => `"${n}":0`).join(',')}}`],
        ['lists', (length) => `${times('[', length / 2)}${times(']', length / 2)}`],
      ],
    }));
});
