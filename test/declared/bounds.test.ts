import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import { Sender } from '../contract/sender.js';
import type { TestServer } from '../setup/test-server.js';
import { Installation } from './installation.js';

/** For each type that has ranges: its greatest value, the first bound beyond all values, and a bound below the greatest. */
const TYPES = [
  { type: 'integer', most: '9223372036854775807', beyond: '9223372036854775808', low: '5', less: '4' },
  { type: 'decimal(6,2)', most: '9999.99', beyond: '10000', low: '5.00', less: '4.00' },
  { type: 'date', most: '9999-12-31', beyond: '10000-01-01', low: '2026-01-01', less: '2025-12-31' },
  {
    type: 'instant',
    most: '9999-12-31T23:59:59.999999Z',
    beyond: '10000-01-01',
    low: '2026-01-01T00:00:00.000Z',
    less: '2025-12-31T23:59:59.999999Z',
  },
].map((each) => ({ ...each, name: `of-${each.type.replace(/\W.*/, '')}` }));

/** The parents of some, with sums of each kind. */
const PARTS = {
  name: 'parts',
  fields: { whole: 'text', count: 'integer?', weight: 'decimal(38,1)' },
  parents: {
    whole: { resource: 'parts', by: 'whole', totals: { pieces: 'sum(count)', weights: 'sum(weight)', parts: 'count' } },
  },
};

let installation: Installation;
let server: TestServer;
let sender: Sender;

beforeAll(async () => {
  installation = await Installation.create();
  for (const { name, type } of TYPES) {
    installation.declare({
      name,
      fields: { value: `${type}?`, more: 'text?' },
      window: 'value',
      list: { range: ['value'] },
    });
  }
  installation.declare(PARTS);
  server = await installation.start();
});

afterAll(() => installation.close());

beforeEach(() => {
  sender = new Sender(server);
});

describe.each(TYPES)('a range of values of type $type', ({ name, most, beyond, low, less }) => {
  const rows = (...values: (string | null)[]) => values.map((value, index) => ({ externalId: String(index), value }));
  const window = (records: unknown[], from: string, to: string, more = '') =>
    sender.mirror(name, records, `mode=window&from=${from}&to=${to}&${more}`);
  const ids = async (query = '') => (await sender.list(name, query)).map(({ externalId }) => externalId).join(' ');

  it('holds its greatest value as a window that ends beyond all values', async () => {
    await sender.mirror(name, rows(less, low, most, null));

    const kept = await window(rows(less, low, most).slice(1), low, beyond);
    const replay = (await (await sender.post(`/sync/jobs/${kept.id}/replay`)).json()) as JobView;
    const gone = await window([], most, beyond, 'deletes=apply');

    expect(kept).toMatchObject({ status: 'completed', counts: { received: 2, unchanged: 2, deleted: 0 } });
    expect(await sender.finished(replay)).toMatchObject({
      status: 'completed',
      window: kept.window,
      counts: { unchanged: 2, deleted: 0 },
    });
    expect(gone).toMatchObject({ status: 'completed', counts: { deleted: 1 } });
    expect(await ids()).toBe('0 1 3');
  });

  it('is guarded, superseded and waited for as such a window', async () => {
    await sender.mirror(name, [{ externalId: 'outside', value: less }]);
    await sender.mirror(name, rows(...Array.from({ length: 60 }, () => most)), 'mode=partial');
    const held = await window([], low, beyond);
    const behind = await sender.submit(name, [], `mode=window&from=${low}&to=${most}`);
    const apart = await window([{ externalId: 'outside', value: less, more: 'x' }], less, low);
    const around = await window([], less, beyond);

    expect(held).toMatchObject({ status: 'awaiting_approval', plan: { delete: 60, live: 60 } });
    expect(behind.waiting).toMatchObject({ behind: { id: held.id } });
    expect(apart).toMatchObject({ status: 'completed', counts: { updated: 1 } });
    expect(await sender.job(held)).toMatchObject({ status: 'superseded' });
    expect(around).toMatchObject({ status: 'awaiting_approval', plan: { delete: 61, live: 61 } });
  });

  it('keeps a row that a newer window took from an older one', async () => {
    await sender.mirror(name, rows(...Array.from({ length: 60 }, () => less)));
    const held = await window([{ externalId: '0', value: less, more: 'x' }], less, low);
    await window([{ externalId: '0', value: most }], low, beyond);

    await sender.decide(held, 'approve');
    const older = await sender.decide(held, 'approve');

    expect(held.status).toBe('awaiting_approval');
    expect(older).toMatchObject({ status: 'completed', counts: { rejected: 1, deleted: 59 } });
    expect(await sender.errors(older)).toMatchObject([{ externalId: '0', code: 'overtaken' }]);
    expect(await ids()).toBe('0');
  });

  it('takes bounds beyond all values in a list', async () => {
    await sender.mirror(name, rows(less, low, most, null));

    expect(await ids(`value_max=${beyond}`)).toBe('0 1 2');
    expect(await ids(`value_min=${low}&value_max=${beyond}`)).toBe('1 2');
    expect(await ids(`value_min=${beyond}`)).toBe('');
    expect(await ids(`value_min=${beyond}&value_max=${beyond}`)).toBe('');
    if (!/^\d+(\.\d+)?$/.test(beyond)) return;
    expect(await ids(`value_max=${'9'.repeat(400)}`)).toBe('0 1 2');
    expect(await ids(`value_min=-${'9'.repeat(400)}`)).toBe('0 1 2');
    expect(await ids(`value_max=-${'9'.repeat(400)}`)).toBe('');
    expect((await server.fetch(`/${name}?value_max=${'9'.repeat(401)}`)).status).toBe(400);
  });
});

it('sums integers to integers and decimals to decimals, beyond the range of each', async () => {
  const part = (externalId: string, count: string | null, weight: string) => ({
    externalId,
    whole: '1',
    count,
    weight,
  });
  const sums = async () => {
    const { pieces, weights, parts } = await sender.get('/parts/1');
    return { pieces, weights, parts };
  };

  await sender.mirror('parts', [part('1', null, '0')]);
  expect(await sums()).toEqual({ pieces: 0, weights: '0.0', parts: 1 });
  await sender.mirror('parts', [part('1', '9007199254740990', '1.5'), part('2', '1', '2')]);
  expect(await sums()).toEqual({ pieces: 9007199254740991, weights: '3.5', parts: 2 });
  const most = '9223372036854775807';
  await sender.mirror(
    'parts',
    Array.from({ length: 200 }, (_, n) => part(String(n), most, `${'9'.repeat(37)}.9`)),
  );
  expect(await sums()).toEqual({
    pieces: String(200n * BigInt(most)),
    weights: `${200n * 10n ** 37n - 20n}.0`,
    parts: 200,
  });
  const { paths } = await sender.get('/openapi.json');
  const { properties } = paths['/parts/{externalId}'].get.responses[200].content['application/json'].schema;
  expect(properties.pieces).toEqual(properties.count.oneOf[0]);
  expect(properties.weights).toEqual(properties.weight);
});

it('takes bounds of a list that are finer than the values', async () => {
  const { name, low, less } = TYPES[1]!;
  await sender.mirror(name, [
    { externalId: '1', value: low },
    { externalId: '2', value: less },
  ]);

  expect(await sender.list(name, 'value_min=4.0001')).toMatchObject([{ externalId: '1' }]);
  expect(await sender.list(name, 'value_max=4.9999')).toMatchObject([{ externalId: '2' }]);
});
