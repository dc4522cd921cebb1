import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import { parseExact } from '../../src/values/exact-json.js';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import { Sender } from '../http/sender.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';

type Fields = Record<string, unknown>;

/** A number that JavaScript would round. */
const raw = parseExact;

const UUID = '0193de4c-5b6a-7c21-9f60-0f3a1de0a8c2';

const ODD_TEXT = ' "quotes" and \'apostrophes\', commas;\r\nlines\n\ttabs \\ backslashes \\n \\N \\. e\u0301 é 🦄 ';

/** The fields of an observation in the order of the definition. */
const FIELDS = ['number', 'code', 'note', 'value', 'ratio', 'done', 'day', 'at', 'device', 'details', 'tags'];

const NOTHING = { note: null, ratio: null, device: null, details: null, tags: null };

const DETAILS = raw(
  '{"a":1234567890123456789012.000000001,"b":[0.1,-98765432109876543210.5,9007199254740993,null,{"ü \\"x\\"\\n":[[],{}]}],"":true}',
);

/** A record with every field, as it is sent and as it leaves. */
const FULL: Fields = {
  number: raw('9007199254740993'),
  code: '🦄'.repeat(12),
  note: ODD_TEXT,
  value: raw('1234567890123456789012345678.0123456789'),
  ratio: 0.00001,
  done: true,
  day: '2024-02-29',
  at: '2026-11-21T12:30:00.123456+02:30',
  device: UUID.toUpperCase(),
  details: DETAILS,
  tags: ['a "b"', 'c\\d', 'e,f', '{g}', 'NULL', '', ' ', 'h\ni', '🦄'],
};
const FULL_SHOWN: Fields = {
  ...FULL,
  number: '9007199254740993',
  value: '1234567890123456789012345678.0123456789',
  ratio: '0.00001',
  at: '2026-11-21T10:00:00.123456Z',
  device: UUID,
};

/** One with what must be there alone, at the lower end of what is possible. */
const LEAST: Fields = { number: -5, code: ' ', value: 7.1, done: false, day: '0001-01-01', at: '0001-01-01' };
const LEAST_SHOWN: Fields = { ...LEAST, ...NOTHING, value: '7.10', at: '0001-01-01T00:00:00.000Z' };

/** One at the upper end. */
const MOST: Fields = {
  number: raw('9223372036854775807'),
  code: 'z',
  note: '🦄'.repeat(250),
  value: `-${'9'.repeat(28)}.${'9'.repeat(10)}`,
  ratio: '-0.99999',
  done: false,
  day: '9999-12-31',
  at: '9999-12-31T23:59:59.999999Z',
  device: 'ffffffff-ffff-ffff-ffff-ffffffffffff',
  details: 0,
  tags: [],
};
const MOST_SHOWN: Fields = { ...MOST, number: '9223372036854775807' };

const SENT = [FULL, LEAST, MOST];

/** In the order of their external ids. */
const SHOWN: [externalId: string, fields: Fields][] = [
  ['-5', LEAST_SHOWN],
  ['9007199254740993', FULL_SHOWN],
  ['9223372036854775807', MOST_SHOWN],
];

const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

let server: TestServer;
let from: Sender;

beforeAll(async () => {
  server = await startTestServer({ RESOURCES_DIR: 'test/resources' });
});

afterAll(() => server.close());

beforeEach(() => {
  from = new Sender(server);
});

/** Snapshots in each of the formats, with their content types. */
const FORMATS: [contentType: string, write: (records: Fields[]) => string][] = [
  ['application/json', (records) => JSON.stringify(records)],
  ['application/x-ndjson', (records) => records.map((record) => `${JSON.stringify(record)}\n`).join('')],
  ['text/csv', (records) => tableOf(records.map(toCells))],
];

function tableOf(rows: Fields[]): string {
  return stringify(rows, { header: true, columns: FIELDS, quoted: true });
}

function toCells(record: Fields): Fields {
  const cell = (name: string, value: unknown) =>
    typeof value === 'string' && name !== 'details' ? value : JSON.stringify(value);
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, cell(name, value)]));
}

async function text(path: string, headers: Record<string, string> = {}): Promise<string> {
  const response = await from.fetch(path, { headers });
  if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
  return response.text();
}

/** What a path answers, with numbers as they were written. */
async function get(path: string): Promise<any> {
  return parseExact(await text(path));
}

const mirror = (records: Fields[], query = '') => from.mirror(`/observations?${query}`, records);

/** The fields of all live rows by external id. */
async function listed(query = 'limit=1000'): Promise<[externalId: string, fields: Fields][]> {
  const { items } = await get(`/observations?${query}`);
  return items.map(({ id: _id, externalId, created: _created, updated: _updated, ...fields }: any) => [
    externalId,
    fields,
  ]);
}

const changesOf = async ({ id }: JobView) => (await get(`/sync/jobs/${id}/changes`)).items;

describe.each(FORMATS)('values of every type that are sent as %s', (contentType, write) => {
  let job: JobView;

  beforeEach(async () => {
    job = await from.mirror('/observations', write(SENT), { 'Content-Type': contentType });
  });

  it('come back in lists as they were sent', async () => {
    expect(job).toMatchObject({ status: 'completed', counts: { received: 3, created: 3, rejected: 0 }, warnings: [] });
    const { items } = await get('/observations');
    expect(items).toEqual(
      SHOWN.map(([externalId, fields]) => ({
        id: expect.any(Number),
        externalId,
        ...fields,
        created: INSTANT,
        updated: INSTANT,
      })),
    );
    // Fields have an order, ids come first.
    for (const item of items) expect(Object.keys(item)).toEqual(['id', 'externalId', ...FIELDS, 'created', 'updated']);
  });

  it('come back in a row by itself', async () => {
    for (const [externalId, fields] of SHOWN) {
      expect(await get(`/observations/${externalId}`)).toMatchObject({ externalId, ...fields });
    }
  });

  it('come back in the history of a row', async () => {
    for (const [externalId, fields] of SHOWN) {
      expect((await get(`/observations/${externalId}/history`)).items).toEqual([
        { operation: 'created', at: INSTANT, jobId: job.id, source: from.source, before: null, after: fields },
      ]);
    }
  });

  it('come back in the changes of the job, in each of their formats', async () => {
    const created = SHOWN.map(([externalId, after]) => ({ externalId, operation: 'created', before: null, after }));
    const path = `/sync/jobs/${job.id}/changes`;

    expect(await changesOf(job)).toEqual(created);
    const lines = (await text(path, { Accept: 'application/x-ndjson' })).trimEnd().split('\n');
    expect(lines.map((line) => parseExact(line))).toEqual(created);
    const rows: Record<string, string>[] = parse(await text(path, { Accept: 'text/csv' }), { columns: true });
    expect(rows.map((row) => ({ ...row, after: parseExact(row['after'] ?? '') }))).toEqual(
      SHOWN.map(([externalId, after]) => ({
        externalId,
        operation: 'created',
        before: '',
        after,
      })),
    );
  });

  it('come back in the feed of changes', async () => {
    expect((await get('/changes')).items).toEqual(
      SHOWN.map(([externalId, after]) => ({
        resource: 'observations',
        externalId,
        operation: 'created',
        at: INSTANT,
        jobId: job.id,
        before: null,
        after,
      })),
    );
  });

  it('change nothing when they are sent in another format', async () => {
    for (const [other, writeOther] of FORMATS) {
      const again = await from.mirror('/observations', writeOther(SENT.toReversed()), { 'Content-Type': other });

      expect(again.counts).toMatchObject({ received: 3, unchanged: 3, created: 0, updated: 0, deleted: 0 });
    }
  });
});

it('null and absent are the same', async () => {
  await mirror([{ ...LEAST, ...NOTHING }]);

  const job = await mirror([{ ...LEAST, note: null }]);

  expect(job.counts).toMatchObject({ unchanged: 1, updated: 0 });
  expect(await listed()).toEqual([['-5', LEAST_SHOWN]]);
});

it.each(['', 'null', ' null '])('a cell of CSV with JSON that is "%s" is null', async (cell) => {
  const job = await sendCell(cell);

  expect(job.counts).toMatchObject({ created: 1, rejected: 0 });
  expect(await listed()).toEqual([['-5', LEAST_SHOWN]]);
});

it('an empty text, an empty list and an empty object are not null', async () => {
  await mirror([{ ...LEAST, code: '', note: '', details: {}, tags: [] }]);

  expect(await listed()).toEqual([['-5', { ...LEAST_SHOWN, code: '', note: '', details: {}, tags: [] }]]);
});

it.each(['{}', '[]', '""', 'false', '0', '"null"', '-1e400', '{"__proto__":{"a":1},"constructor":{"b":2}}'])(
  'the JSON value %s comes back',
  async (details) => {
    const job = await mirror([{ ...LEAST, details: raw(details) }]);

    const shown = parseExact(details);
    expect(JSON.stringify((await listed())[0]?.[1]['details'])).toBe(asStored(shown));
    expect(JSON.stringify((await changesOf(job))[0].after.details)).toBe(asStored(shown));
  },
);

/** PostgreSQL writes numbers without exponents. */
function asStored(value: unknown): string {
  return JSON.stringify(value).replace('1e400', `1${'0'.repeat(400)}`);
}

describe('a row of which one field changes', () => {
  /** What is sent, and what leaves if that is not the same. */
  const CHANGES: [field: string, how: string, sent: unknown, shown?: unknown][] = [
    ['code', 'by a letter', `${'🦄'.repeat(11)}x`],
    ['note', 'by a blank at the end', `${ODD_TEXT} `],
    ['note', 'in letter case', ODD_TEXT.replace('lines', 'Lines')],
    ['note', 'in the form of a letter', ODD_TEXT.replace('e\u0301', 'é')],
    ['note', 'to nothing in it', ''],
    ['note', 'to null', null],
    ['value', 'by the last digit', raw('1234567890123456789012345678.0123456788')],
    ['value', 'by its sign', '-1234567890123456789012345678.0123456789'],
    ['ratio', 'by the last digit', '0.00002'],
    ['ratio', 'to zero', 0, '0.00'],
    ['ratio', 'to null', null],
    ['done', 'to false', false],
    ['day', 'by a day', '2024-03-01'],
    ['at', 'by a microsecond', '2026-11-21T10:00:00.123457Z'],
    ['at', 'by the offset', '2026-11-21T12:30:00.123456Z'],
    ['device', 'by a digit', UUID.replace(/.$/, '3')],
    ['device', 'to null', null],
    ['details', 'by the last digit of a number', changed('000000001', '000000002')],
    ['details', 'from a number to a text', changed('9007199254740993', '"9007199254740993"')],
    ['details', 'by a name', changed('"a"', '"A"')],
    ['details', 'from a list to an object', changed('[[],{}]', '[{},{}]')],
    ['details', 'by a value that is null', changed('null,', '')],
    ['details', 'to null', null],
    ['tags', 'by their order', (FULL['tags'] as string[]).toReversed()],
    ['tags', 'by a quote', ['a "b', ...(FULL['tags'] as string[]).slice(1)]],
    ['tags', 'by their number', (FULL['tags'] as string[]).slice(1)],
    ['tags', 'to none', []],
    ['tags', 'to null', null],
  ];

  function changed(part: string, other: string): unknown {
    return parseExact(JSON.stringify(DETAILS).replace(part, other));
  }

  const OTHERS = [LEAST, MOST];

  it.each(CHANGES)('%s, %s, is updated, and nothing else is', async (field, _, sent, shown = leaving(sent)) => {
    await mirror([FULL, ...OTHERS]);
    const before = await get('/observations/9007199254740993');

    const job = await mirror([{ ...FULL, [field]: sent }, ...OTHERS]);

    const after = { ...FULL_SHOWN, [field]: shown };
    expect(job.counts).toMatchObject({ received: 3, created: 0, updated: 1, unchanged: 2, deleted: 0, rejected: 0 });
    expect(await changesOf(job)).toEqual([
      { externalId: '9007199254740993', operation: 'updated', before: FULL_SHOWN, after },
    ]);
    const row = await get('/observations/9007199254740993');
    expect(row).toEqual({ ...before, [field]: shown, updated: INSTANT });
    expect(row.updated > before.updated).toBe(true);
    expect((await get('/observations/9007199254740993/history')).items).toMatchObject([
      { operation: 'updated', jobId: job.id, before: FULL_SHOWN, after },
      { operation: 'created', before: null, after: FULL_SHOWN },
    ]);
    expect((await get('/changes')).items.slice(3)).toMatchObject([
      { operation: 'updated', jobId: job.id, before: FULL_SHOWN, after },
    ]);
  });

  /** Numbers of fields leave as texts. Those within JSON stay what they are. */
  function leaving(sent: unknown): unknown {
    const isRaw = typeof sent === 'object' && sent !== null && 'rawJSON' in sent;
    return isRaw ? sent.rawJSON : sent;
  }

  it('gets values where it had none, and loses them again', async () => {
    await mirror([LEAST]);
    const { number } = LEAST;

    const filled = await mirror([{ ...FULL, number }]);
    const emptied = await mirror([LEAST]);

    const after = { ...FULL_SHOWN, number };
    expect(await changesOf(filled)).toMatchObject([{ operation: 'updated', before: LEAST_SHOWN, after }]);
    expect(await changesOf(emptied)).toMatchObject([{ operation: 'updated', before: after, after: LEAST_SHOWN }]);
  });
});

it('the same values in another spelling and order change nothing', async () => {
  await mirror([FULL, LEAST]);
  const before = await get('/observations');

  const details = JSON.stringify(DETAILS)
    .replace('1234567890123456789012.000000001', '1.23456789012345678901200000000100E+21')
    .replace('0.1,', '0.10,')
    .replace(',"":true}', '}')
    .replace('{"a"', '{"":true,"a"');
  const job = await mirror([
    { ...LEAST, number: '-005', value: '7.1000000000', at: '0001-01-01T01:00:00+01:00' },
    {
      details: raw(details),
      device: UUID,
      at: '2026-11-21t10:00:00.123456000z',
      ratio: raw('1e-5'),
      value: '001234567890123456789012345678.012345678900',
      number: '9007199254740993.0',
      code: FULL['code'],
      note: FULL['note'],
      done: true,
      day: '2024-02-29',
      tags: FULL['tags'],
    },
  ]);

  expect(job.counts).toMatchObject({ received: 2, unchanged: 2, created: 0, updated: 0, deleted: 0 });
  expect(await changesOf(job)).toEqual([]);
  expect(await get('/observations')).toEqual(before);
});

describe('values that cannot be kept exactly', () => {
  const BAD: [field: string, value: unknown, message: string][] = [
    ['number', raw('9223372036854775808'), 'Number must be a whole number of 64 bits'],
    ['number', '1e3', 'Number must be a whole number of 64 bits'],
    ['code', '🦄'.repeat(13), 'Code must have at most 12 characters'],
    ['note', 'a\0b', 'Note contains a NUL or an unpaired surrogate'],
    ['note', '\ud83e', 'Note contains a NUL or an unpaired surrogate'],
    ['value', '0.00000000001', 'Value must have at most 28 digits before and 10 after the point'],
    ['value', '1,5', 'Value must be a decimal number'],
    ['ratio', 1, 'Ratio must have at most 0 digits before and 5 after the point'],
    ['done', 1, 'Done must be true or false'],
    ['day', '2023-02-29', 'Day must be a calendar day as YYYY-MM-DD'],
    [
      'at',
      '2026-11-21T10:00:00.1234567Z',
      'At must be an instant such as 2026-11-21T10:00:00Z, no finer than a microsecond',
    ],
    ['device', 'x', 'Device must be a UUID'],
    ['details', { a: ['\0'] }, 'Details contains a NUL or an unpaired surrogate'],
    ['details', raw('[1e401]'), 'Details contains a number that is too large or too long'],
    ['tags', ['a', null], 'Tags is a list whose items must be strings'],
    ['tags', 'a', 'Tags must be a list of strings'],
  ];

  it.each(BAD.map(([field, value, message]) => [field, JSON.stringify(value), value, message] as const))(
    'in %s reject the record: %s',
    async (field, _, value, message) => {
      const record = { ...FULL, [field]: value };

      const job = await mirror([record, LEAST]);

      expect(job.counts).toMatchObject({ received: 2, created: 1, rejected: 1 });
      const { items } = await get(`/sync/jobs/${job.id}/errors`);
      expect(items).toEqual([
        {
          index: 0,
          externalId: field === 'number' ? null : '9007199254740993',
          status: 'fail',
          code: 'invalid_record',
          data: record,
          errors: { [field]: [message] },
        },
      ]);
    },
  );

  it('are all told, also those that are missing', async () => {
    const job = await mirror([{ number: 1, note: 1, value: 'x', tags: [1] }, { number: 2 }]);

    const { items } = await get(`/sync/jobs/${job.id}/errors`);
    expect(items.map(({ errors }: { errors: object }) => Object.keys(errors))).toEqual([
      ['code', 'note', 'value', 'done', 'day', 'at', 'tags'],
      ['code', 'value', 'done', 'day', 'at'],
    ]);
  });

  it.each([
    ['application/json', (records: string[]) => `[${records.join(',')}]`],
    ['application/x-ndjson', (records: string[]) => records.join('\n')],
  ])('as a name is there more than once reject the record in %s', async (contentType, write) => {
    const withMore = (number: number, more: string) => JSON.stringify({ ...LEAST, number }).replace(/}$/, `,${more}}`);
    const body = write([
      withMore(1, '"value":8'),
      withMore(2, '"details":{"a":[{"b":1, "b" : 1}]}'),
      withMore(3, '"details":{"at":1,"day":"x: y"}'),
      withMore(4, '"unknown":{"a":1,"a":2},"unknown":1'),
    ]);

    const job = await from.mirror('/observations', body, { 'Content-Type': contentType });

    expect(job.counts).toMatchObject({ received: 4, created: 2, rejected: 2 });
    const { items } = await get(`/sync/jobs/${job.id}/errors`);
    expect(items.map(({ index, externalId, errors }: any) => [index, externalId, errors])).toEqual([
      [0, '1', { value: ['Value is there more than once'] }],
      [1, '2', { details: ['Details has the name "b" more than once'] }],
    ]);
  });

  it('of a key that is there more than once name no record: any of its values may be meant', async () => {
    const record = JSON.stringify({ ...LEAST, number: 1 }).replace(/}$/, ',"number":2}');

    const job = await from.mirror('/observations?mode=partial', `[${record}]`);

    expect((await get(`/sync/jobs/${job.id}/errors`)).items).toMatchObject([
      { externalId: null, errors: { number: ['Number is there more than once'] } },
    ]);
  });

  it('in cells of CSV reject the record', async () => {
    const cells = [
      '{',
      "{'a':1}",
      '{"a":1,"a":2}',
      '1e500',
      '[1e500]',
      '"\\u0000"',
      lists(1_002),
      lists(3_000),
      lists(100_000),
    ];

    for (const details of cells) {
      const job = await sendCell(details);

      const cell = details.slice(0, 9);
      expect({ cell, status: job.status, rejected: job.counts.rejected }).toEqual({
        cell,
        status: 'completed',
        rejected: 1,
      });
    }
  });
});

/** Sends a record whose details are this cell of CSV, into which the reader of the snapshot does not look. */
function sendCell(details: string): Promise<JobView> {
  const table = tableOf([{ ...toCells(LEAST), details }]);
  return from.mirror('/observations', table, { 'Content-Type': 'text/csv' });
}

function lists(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth);
}

// PostgreSQL and JSON.stringify go down by recursion.
it('lists within lists come back, as deep as they may be', async () => {
  const details = lists(1_000).replace('[]', '[12345678901234567890]');

  const job = await sendCell(details);

  expect(job).toMatchObject({ status: 'completed', counts: { created: 1, rejected: 0 } });
  for (const path of ['/observations', '/observations/-5', '/observations/-5/history', '/changes']) {
    expect(await text(path)).toContain(`"details":${details}`);
  }
});

it('of a resource without a window the documentation offers none', async () => {
  const { paths } = await server.get('/openapi.json');
  const parameters = (path: string) =>
    paths[path].post.parameters
      .filter(({ in: place }: any) => place === 'query')
      .map(({ name, schema }: any) => [name, schema.enum]);

  expect(parameters('/rooms')).toEqual([
    ['deletes', expect.any(Array)],
    ['dryRun', expect.any(Array)],
    ['mode', ['full', 'partial']],
  ]);
  expect(parameters('/observations')).toEqual(
    expect.arrayContaining([
      ['mode', ['full', 'partial', 'window']],
      ['from', undefined],
      ['to', undefined],
    ]),
  );
});

it('numbers within json come back by their value', async () => {
  const body = JSON.stringify([LEAST]).replace('}]', ',"details":[1.10,1e2,-0.0,1234567890123456789.10]}]');
  await from.mirror('/observations', body, { 'Content-Type': 'application/json' });

  expect(await text('/observations/-5')).toContain('"details":[1.1,100,0,1234567890123456789.10]');
});

it('a revert puts all values back exactly', async () => {
  await mirror(SENT);
  const before = await listed();
  const { number } = FULL;
  const job = await mirror(
    [
      { ...LEAST, number },
      { ...FULL, number: -5 },
      { ...FULL, number: 1 },
    ],
    'deletes=apply',
  );
  expect(job.counts).toMatchObject({ created: 1, updated: 2, deleted: 1 });

  const response = await from.decide(job.id, 'revert?deletes=apply', { Prefer: 'wait=30' });

  const revert = (await response.json()) as JobView;
  expect(revert).toMatchObject({ status: 'completed', counts: { created: 1, updated: 2, deleted: 1 } });
  expect(await listed()).toEqual(before);
  expect(before).toEqual(SHOWN);
  expect(await changesOf(revert)).toEqual([
    {
      externalId: '-5',
      operation: 'updated',
      before: { ...FULL_SHOWN, number: -5 },
      after: LEAST_SHOWN,
    },
    {
      externalId: '9007199254740993',
      operation: 'updated',
      before: { ...LEAST_SHOWN, number: '9007199254740993' },
      after: FULL_SHOWN,
    },
    { externalId: '9223372036854775807', operation: 'restored', before: null, after: MOST_SHOWN },
    { externalId: '1', operation: 'deleted', before: { ...FULL_SHOWN, number: 1 }, after: null },
  ]);
});
