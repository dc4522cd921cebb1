import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Sender } from '../http/sender.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';

type Fields = Record<string, unknown>;

const DEVICE = '0193de4c-5b6a-7c21-9f60-0f3a1de0a8c2';

const anObservation = (number: number, fields: Fields): Fields => ({
  number,
  code: 'x',
  value: 0,
  done: false,
  day: '2026-01-01',
  at: '2026-01-01',
  ...fields,
});

/** By their numbers, which are their external ids: a text, so 10 comes before 2. */
const OBSERVATIONS = [
  anObservation(1, { code: 'a', done: true, value: '-1.5', note: 'Élan vital', device: DEVICE }),
  anObservation(2, { code: 'b', day: '2026-01-02', at: '2026-01-01T00:00:00.000001Z', value: 10 }),
  anObservation(3, { code: 'B', day: '2026-01-03', at: '2026-06-01', value: '9.9999999999', note: 'apple 50%' }),
  anObservation(4, { code: 'c_d', day: '2026-01-03', at: '2026-06-01', value: 10, note: 'Apple', done: true }),
  anObservation(5, { code: 'c', at: '2026-06-01T00:00:00.000001Z', value: '12345678901234567890.0000000001' }),
  anObservation(10, { code: 'c-d', at: '2026-06-01', value: '-12345678901234567890.0000000001', note: 'apple' }),
];

let server: TestServer;
/** Whose rows are the observations above. */
let from: Sender;

beforeAll(async () => {
  server = await startTestServer({ RESOURCES_DIR: 'test/resources' });
  from = new Sender(server);
  await from.mirror('/observations', OBSERVATIONS);
});

afterAll(() => server.close());

const idsOf = ({ items }: { items: { externalId: string }[] }) => items.map(({ externalId }) => externalId);

describe('a list of a declared resource', () => {
  it.each([
    ['', '1 10 2 3 4 5'],
    // A filter is the whole value, in its case.
    ['code=a', '1'],
    ['code=b', '2'],
    ['code=B', '3'],
    ['code=c', '5'],
    ['code=c_d', '4'],
    ['code=', ''],
    ['code=zzz', ''],
    ['done=true', '1 4'],
    ['done=false', '10 2 3 5'],
    [`device=${DEVICE}`, '1'],
    [`device=${DEVICE.toUpperCase()}`, '1'],
    [`device=${DEVICE.replace('0', '1')}`, ''],
    ['done=true&code=a', '1'],
    ['done=false&code=a', ''],
    // Bounds are included.
    ['day_min=2026-01-02', '2 3 4'],
    ['day_max=2026-01-02', '1 10 2 5'],
    ['day_min=2026-01-02&day_max=2026-01-02', '2'],
    ['day_min=2026-01-02&day_max=2026-01-03', '2 3 4'],
    ['day_min=2026-01-04', ''],
    ['at_max=2026-01-01', '1'],
    ['at_max=2026-01-01T00:00:00.000001Z', '1 2'],
    ['at_min=2026-01-01T00:00:00.000001Z&at_max=2026-06-01', '10 2 3 4'],
    ['at_min=2026-06-01T00:00:00.000001Z', '5'],
    ['at_min=2026-06-01T00:00:00.000001Z&at_max=2026-06-01T00:00:00.0000010Z', '5'],
    ['at_min=2026-06-01T00:00:00Z&at_max=2026-06-01T00:00:00.000Z', '10 3 4'],
    [`at_max=${encodeURIComponent('2026-01-01T02:00:00+02:00')}`, '1'],
    ['value_min=10', '2 4 5'],
    ['value_min=10.00000000000000000&value_max=0010', '2 4'],
    ['value_min=9.9999999999&value_max=10', '2 3 4'],
    ['value_min=-1.5&value_max=-1.5', '1'],
    ['value_max=-1.5000000001', '10'],
    ['value_min=12345678901234567890.0000000001', '5'],
    ['value_min=12345678901234567890.0000000002', ''],
    ['value_max=-12345678901234567890.0000000001', '10'],
    ['value_min=9.9999999999&day_max=2026-01-02&code=b', '2'],
    // A search is the start of a note or a code, in any case.
    ['q=app', '10 3 4'],
    ['q=APPLE', '10 3 4'],
    ['q=Apple%20', '3'],
    ['q=ple', ''],
    ['q=b', '2 3'],
    ['q=c', '10 4 5'],
    ['q=a', '1 10 3 4'],
    // What has a meaning in patterns has none here.
    ['q=c_', '4'],
    ['q=apple%2050%25', '3'],
    ['q=%25', ''],
    ['q=_', ''],
    ['q=%5C', ''],
    ['q=élan', '1'],
    ['q=ÉLAN', '1'],
    ['q=Élan', '1'],
    ['q=elan', ''],
    ['q=app&done=true', '4'],
    ['q=app&value_min=9.9999999999&value_max=9.9999999999', '3'],
  ])('with ?%s holds "%s"', async (query, ids) => {
    expect(idsOf(await from.get(`/observations?${query}`)).join(' ')).toBe(ids);
  });

  it('is only of the rows of its source', async () => {
    expect(await new Sender(server).get('/observations?code=a')).toEqual({ items: [], nextCursor: null });
  });

  it('does not hold rows that were deleted', async () => {
    const other = new Sender(server);
    await other.mirror('/observations', OBSERVATIONS);
    await other.mirror('/observations?deletes=apply', OBSERVATIONS.slice(3));

    expect(idsOf(await other.get('/observations?q=app'))).toEqual(['10', '4']);
    expect(idsOf(await other.get('/observations?sort=at'))).toEqual(['10', '4', '5']);
    expect((await other.fetch('/observations/1')).status).toBe(404);
  });
});

/** Ties are in the order of the external ids, whichever the direction; rows without a note come last. */
const SORTS: [sort: string, ids: string[]][] = [
  ['externalId', ['1', '10', '2', '3', '4', '5']],
  ['at', ['1', '2', '10', '3', '4', '5']],
  ['-value', ['5', '2', '4', '3', '1', '10']],
  ['note', ['4', '10', '3', '1', '2', '5']],
];

/** Reads all pages by their cursors, which agree with their links. */
async function pages(sender: Sender, path: string, between: (page: number) => Promise<unknown>): Promise<string[]> {
  const seen: string[] = [];
  let next: string | undefined = path;
  for (let page = 0; next !== undefined; page += 1) {
    if (page > 50) throw new Error('the pages do not end');
    const response = await sender.fetch(next);
    const body: any = await response.json();
    if (!response.ok) throw new Error(JSON.stringify(body));
    seen.push(...idsOf(body));
    next = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
    expect(next === undefined ? null : new URL(next, server.url).searchParams.get('cursor')).toBe(body.nextCursor);
    if (next !== undefined) await between(page);
  }
  return seen;
}

const nothing = () => Promise.resolve();

describe.each(SORTS)('sorted by %s, a list', (sort, ids) => {
  it('is in that order', async () => {
    expect(idsOf(await from.get(`/observations?sort=${sort}`))).toEqual(ids);
  });

  it.each([1, 2, 3, 5, 6])('has the same rows in pages of %i', async (limit) => {
    expect(await pages(from, `/observations?sort=${sort}&limit=${limit}`, nothing)).toEqual(ids);
  });

  it('is filtered and searched on every page', async () => {
    const query = `sort=${sort}&limit=1&day_max=2026-01-03`;

    expect(await pages(from, `/observations?${query}&done=false`, nothing)).toEqual(
      ids.filter((id) => !['1', '4'].includes(id)),
    );
    expect(await pages(from, `/observations?${query}&q=app`, nothing)).toEqual(
      ids.filter((id) => ['3', '4', '10'].includes(id)),
    );
  });

  it('neither skips nor repeats a row whose key moves from page to page, and keeps its order', async () => {
    const sender = new Sender(server);
    await sender.mirror('/observations', OBSERVATIONS);
    // Each gets the values of another row; one has its own again at the end, and nulls move too.
    const shifted = (by: number) =>
      OBSERVATIONS.map(({ number }, place) => ({
        ...OBSERVATIONS[(place + by) % OBSERVATIONS.length],
        number,
      }));

    const seen = await pages(sender, `/observations?sort=${sort}&limit=1`, (page) =>
      sender.mirror('/observations', shifted(page + 1)),
    );

    expect(seen).toEqual(ids);
  });

  it('goes on where a row was deleted', async () => {
    const sender = new Sender(server);
    await sender.mirror('/observations', OBSERVATIONS);

    const seen = await pages(sender, `/observations?sort=${sort}&limit=1`, (page) =>
      sender.mirror(
        '/observations?deletes=apply',
        OBSERVATIONS.filter(({ number }) => !ids.slice(0, page + 1).includes(String(number))),
      ),
    );

    expect(seen).toEqual(ids);
  });
});

describe('a list of a declared resource refuses', () => {
  let cursor: string;

  beforeEach(async () => {
    cursor = (await from.get('/observations?limit=1&sort=at')).nextCursor;
  });

  const problemOf = async (query: string): Promise<any> => {
    const response = await from.fetch(`/observations?${query}`);
    const problem: any = await response.json();
    expect({ status: response.status, type: response.headers.get('content-type')?.split(';')[0] }).toEqual({
      status: 400,
      type: 'application/problem+json',
    });
    expect(problem).toMatchObject({ title: 'Bad Request', status: 400, detail: expect.any(String) });
    return problem;
  };

  it.each([
    'unknown=1',
    'Code=a',
    'code_min=a',
    // Fields that no list of the definition names.
    'number=1',
    'ratio=1',
    'note=apple',
    'externalId=1',
    // A range is no filter, and a filter no range.
    'day=2026-01-01',
    'at=2026-01-01',
    'done_min=true',
    'value_Min=1',
    'payment_min=1',
    'mode=full',
    'constructor=1',
    '__proto__=1',
  ])('the unknown parameter %s', async (query) => {
    expect((await problemOf(query)).errors).toEqual([
      {
        parameter: query.split('=')[0],
        code: 'unknown_parameter',
        detail: 'This query parameter does not exist.',
      },
    ]);
  });

  it.each([
    [`code=${'x'.repeat(13)}`, 'must have at most 12 characters.'],
    ['code=%00', 'contains a NUL or an unpaired surrogate.'],
    ['done=yes', 'must be true or false.'],
    ['done=', 'must be true or false.'],
    ['device=1', 'must be a UUID.'],
    ['day_min=2026-02-30', 'must be a calendar day as YYYY-MM-DD.'],
    ['day_max=2026-01-01T00:00:00Z', 'must be a calendar day as YYYY-MM-DD.'],
    ['at_min=yesterday', expect.stringMatching(/^must be an instant/)],
    ['at_max=2026-01-01T00:00:00.0000001Z', expect.stringMatching(/^must be an instant/)],
    // A plus sign in an address is a blank.
    ['at_max=2026-01-01T00:00:00+01:00', expect.stringMatching(/^must be an instant/)],
    ['value_min=ten', 'must be a decimal number.'],
    ['value_min=', 'must be a decimal number.'],
    ['value_max=1e3', 'must be a decimal number.'],
    ['limit=0', 'must be a whole number from 1 to 1000.'],
    ['limit=1001', 'must be a whole number from 1 to 1000.'],
    ['limit=-1', 'must be a whole number from 1 to 1000.'],
    ['limit=1.5', 'must be a whole number from 1 to 1000.'],
    ['limit=', 'must be a whole number from 1 to 1000.'],
    ['sort=code', 'must be one of externalId, at, -value, note.'],
    ['sort=-at', 'must be one of externalId, at, -value, note.'],
    ['sort=value', 'must be one of externalId, at, -value, note.'],
    ['sort=-externalId', 'must be one of externalId, at, -value, note.'],
    ['sort=', 'must be one of externalId, at, -value, note.'],
    ['q=', 'must have 1 to 250 characters.'],
    [`q=${'x'.repeat(251)}`, 'must have 1 to 250 characters.'],
    ['q=%00', expect.any(String)],
    ['code=a&code=a', 'must be given once.'],
    ['day_min=2026-01-01&day_min=2026-01-02', 'must be given once.'],
    ['sort=at&sort=at', 'must be given once.'],
    ['limit=1&limit=2', 'must be given once.'],
    ['q=a&q=b', 'must be given once.'],
    ['cursor=a&cursor=b', 'must be given once.'],
  ])('%s', async (query, detail) => {
    expect((await problemOf(query)).errors).toEqual([
      { parameter: query.split('=')[0], code: 'invalid_parameter', detail },
    ]);
  });

  it.each([
    ['day_min=2026-01-02&day_max=2026-01-01', 'day'],
    ['at_min=2026-01-01T00:00:00.000001Z&at_max=2026-01-01', 'at'],
    ['at_min=2026-01-01T00:00:00.25Z&at_max=2026-01-01T00:00:00.2499Z', 'at'],
    ['at_min=2026-01-01T01:00:00Z&at_max=2026-01-01T02:00:00%2B02:00', 'at'],
    ['value_min=10.0000000001&value_max=10', 'value'],
    ['value_min=-1&value_max=-2', 'value'],
    ['value_min=12345678901234567890.0000000001&value_max=12345678901234567890', 'value'],
  ])('the empty range %s', async (query, field) => {
    expect((await problemOf(query)).errors).toEqual([
      { parameter: `${field}_min`, code: 'empty_range', detail: `is greater than ${field}_max.` },
    ]);
  });

  it('all that is wrong at once', async () => {
    const { errors } = await problemOf('unknown=1&done=yes&limit=0&day_min=2026-01-02&day_max=2026-01-01&code=a');

    expect(errors.map(({ parameter, code }: Fields) => `${parameter} ${code}`)).toEqual([
      'unknown unknown_parameter',
      'done invalid_parameter',
      'limit invalid_parameter',
      'day_min empty_range',
    ]);
  });

  it('cursors of other lists, orders and makers', async () => {
    const patients = new Sender(server);
    await patients.mirror('/patients', [
      { externalId: '1', firstName: 'Rick', lastName: 'Deckard' },
      { externalId: '2', firstName: 'Roy', lastName: 'Batty' },
    ]);
    const foreign: string = (await patients.get('/patients?limit=1')).nextCursor;

    for (const query of [
      `cursor=${cursor}`,
      `sort=note&cursor=${cursor}`,
      `cursor=${foreign}`,
      'cursor=',
      'cursor=x',
      `sort=at&cursor=${cursor.slice(0, -4)}`,
    ]) {
      expect((await problemOf(query)).errors).toMatchObject([{ parameter: 'cursor', code: 'invalid_cursor' }]);
    }
    expect((await from.fetch(`/observations?sort=at&cursor=${cursor}`)).status).toBe(200);
  });

  it('parameters on a single row', async () => {
    const response = await from.fetch('/observations/1?code=a');

    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ parameter: 'code', code: 'unknown_parameter' }] });
  });
});
