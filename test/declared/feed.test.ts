import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { TestServer } from '../setup/test-server.js';
import { Installation } from './installation.js';
import { customers, invoices, mirrorAll, twoCustomers, twoInvoices } from './invoices.js';

let here: Installation;

beforeEach(async () => {
  here = await Installation.create();
});

afterEach(() => here.close());

const [changed] = twoInvoices.map((invoice) => ({ ...invoice, amount: 7 }));

/** All items of the feed from a cursor on, page by page, and where it ends. */
async function follow(server: TestServer, after: string | null, limit = 1000): Promise<{ items: any[]; end: string }> {
  const items: any[] = [];
  let end = after;
  for (;;) {
    const page: any = await server.get(`/changes?limit=${limit}${end === null ? '' : `&after=${end}`}`);
    items.push(...page.items);
    if (page.nextCursor === end || page.items.length === 0) return { items, end: page.nextCursor };
    end = page.nextCursor;
  }
}

const shown = ({ resource, externalId, operation }: any) => `${resource} ${externalId} ${operation}`;

describe('the feed of a resource whose file is away', () => {
  it('has its changes as before, with all fields, between those of others', async () => {
    here.declare(customers, invoices);
    const { items } = await here.whileUp(async (server) => {
      await mirrorAll(server);
      await server.mirror('/invoices', [changed]);
      await server.mirror('/customers', [...twoCustomers, { no: 'c3', name: 'Corp' }]);
      return follow(server, null);
    });
    expect(items.map(shown)).toEqual([
      'customers c1 created',
      'customers c2 created',
      'invoices 1 created',
      'invoices 2 created',
      'invoices 1 updated',
      'invoices 2 deleted',
      'customers c3 created',
    ]);

    here.remove('invoices');
    await here.whileUp(async (server) => {
      for (const limit of [1, 1000]) expect((await follow(server, null, limit)).items).toEqual(items);
      expect((await server.fetch('/changes?resource=invoices')).status).toBe(400);
    });
  });

  it('is told by its jobs, too', async () => {
    here.declare(customers, invoices);
    const [applied, planned] = await here.whileUp(async (server) => {
      await mirrorAll(server);
      const job = await server.mirror('/invoices', [changed]);
      return [job, await server.mirror('/invoices?dryRun=true', twoInvoices)];
    });
    const tell = async (server: TestServer) => {
      const pages = [`${applied?.id}/changes`, `${planned?.id}/plan`].map((path) => server.get(`/sync/jobs/${path}`));
      return (await Promise.all(pages)).map(({ items }) => items);
    };
    const before = await here.whileUp(tell);
    expect(before).toMatchObject([
      [{ operation: 'updated', after: { amount: '7.00' } }, { operation: 'deleted' }],
      [{ operation: 'updated' }, { operation: 'restored' }],
    ]);

    here.remove('invoices');

    expect(await here.whileUp(tell)).toEqual(before);
  });

  it('goes on where a follower was when it went, and after it is back', async () => {
    here.declare(customers, invoices);
    const first = await here.whileUp(async (server) => {
      await server.mirror('/customers', twoCustomers);
      const { end } = await follow(server, null);
      await server.mirror('/invoices', twoInvoices);
      return end;
    });
    here.remove('invoices');
    const away = await here.whileUp((server) => follow(server, first));
    here.declare(invoices);
    const back = await here.whileUp(async (server) => {
      await server.mirror('/invoices', [changed]);
      return follow(server, away.end);
    });

    expect(away.items.map(shown)).toEqual(['invoices 1 created', 'invoices 2 created']);
    expect(back.items.map(shown)).toEqual(['invoices 1 updated', 'invoices 2 deleted']);
  });
});

it('a server with older files has the new fields in its feed', async () => {
  here.declare(customers, invoices);
  const older = await here.start({ ROLE: 'api' });
  here.declare(customers, { ...invoices, fields: { ...invoices.fields, more: 'text?' } });
  await here.whileUp((server) => server.mirror('/invoices', [{ ...changed, more: 'is new' }]));

  const { items } = await follow(older, null);

  expect(items).toMatchObject([{ resource: 'invoices', operation: 'created', after: { more: 'is new' } }]);
});

it('a page of the feed reads no table of a resource that it has no changes of', async () => {
  here.declare(customers, invoices);
  const server = await here.start();
  await server.mirror('/customers', twoCustomers);

  await here.query('alter table mirrored_invoices rename to elsewhere');

  expect((await follow(server, null)).items.map(shown)).toEqual(['customers c1 created', 'customers c2 created']);
});
