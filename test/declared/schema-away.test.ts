import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../setup/test-server.js';
import { Installation } from './installation.js';
import { anInvoice, customers, invoices, listed, mirrorAll, totals, twoCustomers, twoInvoices } from './invoices.js';

let here: Installation;

beforeEach(async () => {
  here = await Installation.create();
});

afterEach(() => here.close());

describe('a resource whose file goes away', () => {
  it('keeps its table, and its routes answer 404 until the file is back', async () => {
    here.declare(customers, invoices);
    await here.whileUp(mirrorAll);

    here.remove('invoices');
    await here.whileUp(async (server) => {
      for (const path of ['/invoices', '/invoices/1', '/invoices/1/history']) {
        expect((await server.fetch(path)).status).toBe(404);
      }
      expect((await server.submit('/invoices', twoInvoices)).status).toBe(404);
      expect(await server.get('/customers/c1')).not.toHaveProperty('invoicesTotal');
    });
    expect(await here.query('select count(*)::int as rows from mirrored_invoices')).toEqual([{ rows: 2 }]);

    here.declare(invoices);
    await here.whileUp(async (server) => {
      expect(await listed(server, '/invoices')).toEqual(['1', '2']);
      expect(await server.get('/invoices/1/history')).toMatchObject({ items: [{ operation: 'created' }] });
      expect(await totals(server)).toEqual([
        ['c1', '5.00', 1],
        ['c2', '5.00', 1],
      ]);
    });
    expect(await here.isConsistent()).toBe(true);
  });

  it('keeps its jobs waiting, which say why, and takes no new ones from old bytes', async () => {
    here.declare(customers, invoices);
    const [waiting, done] = await here.whileUp(async (server) => {
      await mirrorAll(server);
      const [job] = (await server.get('/sync/jobs?resource=invoices')).items;
      await here.query(
        `insert into sync_job select (jsonb_populate_record(job, jsonb_build_object(
        'id', gen_random_uuid(), 'seq', job.seq + 1, 'status', 'queued', 'attempts', 0, 'applied_at', null, 'finished_at', null, 'started_at', null))).*
        from sync_job job where id = $1`,
        [job.id],
      );
      const [queued] = await here.query(`select id from sync_job where resource = 'invoices' and status = 'queued'`);
      return [queued.id as string, job.id as string];
    });

    here.remove('invoices');
    await here.whileUp(async (server) => {
      const job = () => server.get(`/sync/jobs/${waiting}`);
      await until('it says what it waits for', async () => (await job()).waiting !== null);
      expect(await job()).toMatchObject({
        status: 'queued',
        waiting: {
          behind: null,
          retry: { attempts: 0, error: 'the file of its resource is gone, and it waits until that is back' },
        },
      });
      for (const verb of ['replay', 'revert']) {
        const response = await server.fetch(`/sync/jobs/${done}/${verb}`, { method: 'POST' });
        expect(await response.json()).toMatchObject({ status: 404, code: 'no_resource' });
      }
    });
    expect(await here.query('select count(*)::int as jobs from sync_job')).toEqual([{ jobs: 3 }]);
  });

  it('follows what its parents did without it', async () => {
    here.declare(customers, invoices);
    await here.whileUp(async (server) => {
      await server.mirror('/customers', twoCustomers);
      await server.mirror('/invoices', [...twoInvoices, anInvoice('3', 'c3')]);
    });

    here.remove('invoices');
    await here.whileUp(async (server) => {
      await server.mirror('/customers?deletes=apply', [twoCustomers[0], { no: 'c3', name: 'Corp' }]);
    });
    here.declare(invoices);

    await here.whileUp(async (server) => {
      expect(await listed(server, '/invoices')).toEqual(['1', '3']);
      expect(await totals(server)).toEqual([
        ['c1', '5.00', 1],
        ['c3', '5.00', 1],
      ]);
    });
    expect(await here.isConsistent()).toBe(true);
    expect(await here.query(`select version from resource_definition where name = 'invoices'`)).toEqual([
      { version: 1 },
    ]);
  });
});

describe('a server with MIGRATIONS=skip', () => {
  const start = () => here.start({ MIGRATIONS: 'skip' });

  it('does not start before its resources are applied, and names them', async () => {
    here.declare(customers, invoices);

    await expect(start()).rejects.toThrow(
      /MIGRATIONS=skip: run `npm run cli -- resources apply`.*\n  - customers: makes the table\n  - invoices: makes the table/,
    );
    expect(await here.command('resources', 'apply')).toMatchObject({ code: 0 });
    expect(await listed(await start(), '/invoices')).toEqual([]);
  });

  it('does not start with another definition than was applied, but without an index, which only makes lists faster', async () => {
    here.declare(customers, invoices);
    await here.command('resources', 'apply');
    here.declare({ ...invoices, fields: { ...invoices.fields, text: 'text?' } });
    await expect(start()).rejects.toThrow('  - invoices: adds the field text');

    const more = { customer: { ...invoices.parents.customer, totals: { more: 'count' } } };
    here.declare({ ...invoices, parents: more });
    await expect(start()).rejects.toThrow('  - customers: counts more');

    here.declare({ ...invoices, list: { filter: ['number'] } });
    await expect(start()).rejects.toThrow('  - invoices: takes over the definition');

    here.declare(invoices);
    for (const { name } of await here.indexesOf('mirrored_invoices')) await here.query(`drop index ${name}`);
    const server = await start();
    await mirrorAll(server);
    expect(await listed(server, '/invoices?customer=c1')).toEqual(['1']);
  });

  it('starts without a resource whose file went away once that was applied too', async () => {
    here.declare(customers, invoices);
    await here.command('resources', 'apply');
    here.remove('invoices');
    // Other servers may still have it, and link its rows to those of customers.
    await expect(start()).rejects.toThrow('  - invoices: has no file any more');
    await here.command('resources', 'apply');

    const server = await start();
    await server.mirror('/customers', twoCustomers);
    expect(await listed(server, '/customers')).toEqual(['c1', 'c2']);
  });
});
