import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Installation, type Shape } from './installation.js';
import { customers, invoices, listed, mirrorAll, totals, twoCustomers, twoInvoices } from './invoices.js';

let here: Installation;

beforeEach(async () => {
  here = await Installation.create();
});

afterEach(() => here.close());

describe('a start with a definition that would lose something', () => {
  const withFields = (fields: Record<string, string | undefined>) => ({
    ...invoices,
    fields: { ...invoices.fields, ...fields },
  });
  const { customer } = invoices.parents;

  it.each([
    [
      'a field that each record must have',
      withFields({ due: 'date' }),
      ['adds the field due, which no stored row has but each must'],
    ],
    [
      'a field that is gone',
      { ...withFields({ note: undefined }), list: { ...invoices.list, search: [] } },
      ['drops the field note'],
    ],
    [
      'a field that must be there now',
      withFields({ note: 'text' }),
      ['requires the field note, which stored rows may lack'],
    ],
    ['another type', withFields({ amount: 'integer' }), ['changes the type of amount to integer: drops its values']],
    [
      'another precision',
      withFields({ amount: 'decimal(15,2)' }),
      ['changes the type of amount to decimal(15,2): drops its values'],
    ],
    [
      'another type of what names the parent',
      withFields({ customer: 'uuid' }),
      ['changes the type of customer to uuid: drops its values'],
    ],
    [
      'another key',
      { ...invoices, key: ['number', 'issued'] },
      ['has another key or other duplicates: drops all rows'],
    ],
    [
      'duplicates that are counted',
      { ...invoices, duplicates: 'count' },
      ['has another key or other duplicates: drops all rows'],
    ],
    [
      'another name of the parent',
      { ...invoices, parents: { customer: { ...customer, by: 'payer' } } },
      ['links the rows to their parent customer'],
    ],
    [
      'another parent',
      { ...invoices, parents: { customer, payer: { resource: 'customers', by: 'payer' } } },
      ['links the rows to their parent payer'],
    ],
    ['a parent that is gone', { ...invoices, parents: {} }, ['drops the parent customer']],
  ] as [string, Shape & typeof invoices, string[]][])(
    'is refused for %s, and made by those who allow it',
    async (_, shape, losses) => {
      here.declare(customers, invoices);
      await here.whileUp(mirrorAll);
      const before = await here.catalogue();

      here.declare(shape);
      const refused = await here.start().catch((error: Error) => error);
      expect(refused).toMatchObject({ message: expect.stringContaining('resources apply --allow-loss') });
      for (const loss of losses) expect((refused as Error).message).toContain(`  - invoices: ${loss}\n`);
      expect(await here.command('resources', 'apply')).toMatchObject({ code: 1, stdout: '' });
      expect(await here.catalogue()).toEqual(before);

      const applied = await here.command('resources', 'apply', '--allow-loss');
      expect(applied).toMatchObject({ code: 0, stderr: '' });
      for (const loss of losses) expect(applied.stdout).toContain(`! invoices: ${loss} (loses something)\n`);
      expect(await here.command('resources', 'check')).toMatchObject({ stdout: expect.stringMatching(/^✓ /) });
      expect(await here.isConsistent()).toBe(true);

      // What is lost comes back with the same bytes as before.
      await here.whileUp(async (server) => {
        const uuid = '0193de4c-5b6a-7c21-9f60-0f3a1de0a8c2';
        const isUuid = shape.fields.customer === 'uuid';
        await server.mirror('/customers', isUuid ? [{ no: uuid, name: 'Acme' }, ...twoCustomers] : twoCustomers);
        await server.mirror(
          '/invoices',
          twoInvoices.map((invoice) => (isUuid ? { ...invoice, customer: uuid } : invoice)),
        );
        const keys = typeof shape.key === 'object' ? ['1|2026-01-15', '2|2026-01-15'] : ['1', '2'];
        expect(await listed(server, '/invoices')).toEqual(keys);
        expect(await server.get(`/invoices/${encodeURIComponent(keys[0] ?? '')}`)).toMatchObject({
          amount: shape.fields.amount === 'integer' ? 5 : '5.00',
          customer: isUuid ? uuid : 'c1',
        });
      });
      expect(await here.isConsistent()).toBe(true);
    },
  );

  it('brings values back by the same bytes, also where a type was changed and changed back', async () => {
    here.declare(customers, invoices);
    await here.whileUp(mirrorAll);

    for (const type of ['integer', 'decimal(15,4)']) {
      here.declare(withFields({ amount: type }));
      await here.command('resources', 'apply', '--allow-loss');
    }

    await here.whileUp(async (server) => {
      expect(await server.get('/invoices/1')).toMatchObject({ amount: null });
      expect(await server.mirror('/invoices', twoInvoices)).toMatchObject({ counts: { updated: 2 } });
      expect(await server.get('/invoices/1')).toMatchObject({ amount: '5.00' });
    });
    expect(await here.isConsistent()).toBe(true);
  });

  it('begins the history of a row anew, as earlier values are none of the other type', async () => {
    here.declare(customers, invoices);
    await here.whileUp(async (server) => {
      await mirrorAll(server);
      await server.mirror('/invoices', [{ ...twoInvoices[0], note: 'other' }, twoInvoices[1]]);
    });

    here.declare({ ...withFields({ note: 'instant?' }), list: {} });
    await here.command('resources', 'apply', '--allow-loss');

    await here.whileUp(async (server) => {
      const history = async () => (await server.get('/invoices/1/history')).items;
      expect(await history()).toEqual([]);
      const at = '2026-01-02T00:00:00.000Z';
      await server.mirror('/invoices', [{ ...twoInvoices[0], note: at }]);
      expect(await history()).toMatchObject([
        { operation: 'updated', before: { note: null, amount: '5.00' }, after: { note: at, amount: '5.00' } },
      ]);
    });
  });

  it('gives rows new ids where all were dropped, and links those that wait for them', async () => {
    here.declare(customers, invoices);
    await here.whileUp(mirrorAll);
    const ids = async () =>
      (await here.query('select id::int from mirrored_customers order by id')).map(({ id }) => id);
    const before = await ids();

    here.declare({ ...customers, key: 'name' });
    await here.command('resources', 'apply', '--allow-loss');
    await here.whileUp(async (server) => {
      expect(await listed(server, '/customers')).toEqual([]);
      expect(await listed(server, '/invoices')).toEqual([]);
      await server.mirror('/customers', [{ no: '1', name: 'c2' }]);
      expect(await totals(server)).toEqual([['c2', '5.00', 1]]);
      expect(await listed(server, '/invoices')).toEqual(['2']);
    });

    expect(Math.min(...(await ids()))).toBeGreaterThan(Math.max(...before));
    expect(await here.isConsistent()).toBe(true);
  });

  it.each([
    ['another key', { key: ['number', 'issued'] }],
    ['another type', { fields: { ...invoices.fields, amount: 'integer' } }],
  ])('ends what was logged of it, with %s: followers have to read it again', async (_, change) => {
    here.declare(customers, invoices);
    const [id, first, last] = await here.whileUp(async (server) => {
      await mirrorAll(server);
      const job = await server.mirror('/invoices', [twoInvoices[0]]);
      const pages = [await server.get('/changes?limit=1'), await server.get('/changes')];
      return [job.id, ...pages.map(({ nextCursor }) => nextCursor)];
    });

    here.declare({ ...invoices, ...change });
    await here.command('resources', 'apply', '--allow-loss');

    await here.whileUp(async (server) => {
      for (const after of [first, last]) {
        expect(await server.get(`/changes?after=${after}`)).toMatchObject({ status: 410, code: 'changes_gone' });
      }
      expect(await server.get(`/sync/jobs/${id}/changes`)).toMatchObject({ status: 410, code: 'changes_gone' });
      const revert = { method: 'POST' };
      expect(await server.get(`/sync/jobs/${id}/revert`, revert)).toMatchObject({ status: 410, code: 'changes_gone' });

      const { nextCursor } = await server.get('/changes?after=latest');
      await server.mirror('/invoices', [{ ...twoInvoices[0], amount: 9 }]);
      const { items } = await server.get(`/changes?after=${nextCursor}`);
      expect(items).toMatchObject([{ resource: 'invoices', after: { number: '1' } }]);
      expect((await server.get('/changes')).items).toEqual(items);
      const { items: history } = await server.get(`/invoices/${encodeURIComponent(items[0].externalId)}/history`);
      expect(history).toHaveLength(1);
    });
    expect(await here.isConsistent()).toBe(true);
  });

  it('fails a window that was held, and whose bounds are no values of the field any more', async () => {
    const things = { name: 'things', fields: { value: 'integer?' }, window: 'value' };
    const window = '/things?mode=window&from=0&to=100&deletes=hold';
    here.declare(things);
    const held = await here.whileUp(async (server) => {
      await server.mirror('/things', [{ externalId: '1', value: 7 }]);
      return server.mirror(window, [{ externalId: '2', value: 8 }]);
    });
    expect(held.status).toBe('awaiting_approval');

    here.declare({ ...things, fields: { value: 'date?' } });
    await here.command('resources', 'apply', '--allow-loss');

    await here.whileUp(async (server) => {
      const wait = { method: 'POST', headers: { Prefer: 'wait=20' } };
      const job = await server.get(`/sync/jobs/${held.id}/approve`, wait);
      expect(job).toMatchObject({ status: 'failed', error: { code: 'window_changed' } });
    });
  });

  it('counts a total again that has another meaning', async () => {
    here.declare(customers, invoices);
    await here.whileUp(mirrorAll);

    here.declare({ ...invoices, parents: { customer: { ...customer, totals: { invoicesTotal: 'count' } } } });

    // No value is lost, so the start does it.
    await here.whileUp(async (server) => {
      expect(await server.get('/customers/c1')).toMatchObject({ invoicesTotal: 1 });
    });
    expect(await here.isConsistent()).toBe(true);
  });
});
