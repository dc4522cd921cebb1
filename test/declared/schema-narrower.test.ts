import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { Installation } from './installation.js';
import { anInvoice, customers, invoices, listed, twoCustomers } from './invoices.js';

let here: Installation;

beforeEach(async () => {
  here = await Installation.create();
});

afterEach(() => here.close());

/** Text that does not compress, and is too long for an index. */
const LONG = randomBytes(2_500).toString('base64');

const withTypes = (fields: Record<string, string>) => ({
  ...invoices,
  fields: { ...invoices.fields, note: 'text(5000)?', ...fields },
});

const records = [
  { ...anInvoice('1', 'c1'), note: LONG },
  { ...anInvoice('23', 'c2'), note: 'short' },
];

describe('a text that may be shorter from now on', () => {
  beforeEach(async () => {
    here.declare(customers, withTypes({}));
    await here.whileUp(async (server) => {
      await server.mirror('/customers', twoCustomers);
      await server.mirror('/invoices', records);
      await server.mirror('/invoices', [records[0], { ...records[1], note: LONG.slice(1) }]);
      await server.mirror('/invoices', records);
    });
  });

  it.each([
    ['note', 'text(40)?', 'limits note to text(40): drops the values that are longer', ['1', '23'], [null, 'short']],
    ['number', 'text(1)', 'has a key that is too short for stored rows: drops all rows', [], []],
    ['customer', 'text(1)', 'limits customer to text(1): drops the values that are longer', [], []],
  ])('loses longer values of %s', async (field, type, loss, rows, notes) => {
    const before = await here.catalogue();
    here.declare(withTypes({ [field]: type }));

    await expect(here.start()).rejects.toThrow(`  - invoices: ${loss}\n`);
    expect(await here.command('resources', 'check')).toMatchObject({ code: 2, stdout: expect.stringContaining(loss) });
    expect(await here.catalogue()).toEqual(before);
    expect(await here.command('resources', 'apply', '--allow-loss')).toMatchObject({ code: 0, stderr: '' });

    await here.whileUp(async (server) => {
      expect(await listed(server, '/invoices')).toEqual(rows);
      expect((await server.get('/invoices')).items.map(({ note }: any) => note)).toEqual(notes);
      expect(await here.isConsistent()).toBe(true);
    });
    expect(await here.command('resources', 'check')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^✓ /) });
  });

  it('is taken over by a start while nothing longer is stored', async () => {
    await here.whileUp((server) => server.mirror('/invoices', [{ ...records[0], note: 'n' }, records[1]]));
    here.declare(withTypes({ note: 'text(40)?', number: 'text(2)' }));

    await here.whileUp(async (server) => {
      expect(await listed(server, '/invoices?q=sho')).toEqual(['23']);
    });
    expect(await here.isConsistent()).toBe(true);
  });

  it('is told also after a start that took the definition over and could not make the index', async () => {
    here.declare(withTypes({ note: 'text(40)?' }));
    const [{ shape }] = await here.query(`select shape from resource_definition where name = 'invoices'`);
    const narrower = { ...shape, fields: { ...shape.fields, note: 'text(40)?' } };
    await here.query(`update resource_definition set shape = $1 where name = 'invoices'`, [JSON.stringify(narrower)]);

    await expect(here.start()).rejects.toThrow('limits note to text(40)');
  });
});
