import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { createEmptyDatabase } from '../setup/test-server.js';
import { Installation } from './installation.js';
import { customers, invoices, listed, mirrorAll, totals, twoInvoices } from './invoices.js';

let here: Installation;

beforeEach(async () => {
  here = await Installation.create();
});

afterEach(() => here.close());

/** The first column of an index’s definition begins here. */
const indexed = (columns: string, where?: string) =>
  `(source_id, ${columns})${where === undefined ? '' : ` WHERE ${where}`}`;

describe('a start with a new resource', () => {
  it('makes its table, isolated by source, with all the indexes that its lists, window and links need', async () => {
    here.declare(customers, invoices);
    const server = await here.start();

    expect(
      await here.query(
        `select relname, relrowsecurity and relforcerowsecurity as isolated from pg_class
          where relkind = 'r' and relname like any('{mirrored_customers%,mirrored_invoices%}') order by 1`,
      ),
    ).toEqual([
      { relname: 'mirrored_customers', isolated: true },
      { relname: 'mirrored_customers_totals', isolated: true },
      { relname: 'mirrored_invoices', isolated: true },
    ]);
    expect(
      await here.query(
        `select tablename, array_agg(roles::text order by policyname) as roles from pg_policies
          where tablename like any('{mirrored_customers%,mirrored_invoices%}') group by 1 order by 1`,
      ),
    ).toEqual(
      ['mirrored_customers', 'mirrored_customers_totals', 'mirrored_invoices'].map((tablename) => ({
        tablename,
        roles: ['{counterpart_system}', '{counterpart_app}'],
      })),
    );
    expect(
      await here.query(
        `select conrelid::regclass::text as table, array_agg(pg_get_constraintdef(oid) order by contype) as keys
           from pg_constraint where conrelid::regclass::text like any('{mirrored_customers%,mirrored_invoices%}') and contype in ('p', 'u') group by 1 order by 1`,
      ),
    ).toEqual([
      { table: 'mirrored_customers', keys: ['PRIMARY KEY (source_id, id)', 'UNIQUE (source_id, external_id)'] },
      { table: 'mirrored_customers_totals', keys: ['PRIMARY KEY (source_id, id)'] },
      { table: 'mirrored_invoices', keys: ['PRIMARY KEY (source_id, id)', 'UNIQUE (source_id, external_id)'] },
    ]);
    const indexes = await here.indexesOf('mirrored_invoices');
    const [{ name: link }] = await here.query(
      `select format('%I', attname) as name from pg_attribute where attrelid = 'mirrored_invoices'::regclass and attname like '$%'`,
    );
    expect(indexes.every(({ isValid }) => isValid)).toBe(true);
    expect(indexes.map(({ on }) => on).toSorted()).toEqual(
      [
        indexed(`${link}, external_id`),
        indexed('customer', `((${link} IS NULL) AND (customer IS NOT NULL) AND (deleted_at IS NULL))`),
        indexed('lower((note COLLATE "default")) COLLATE "C"', '(deleted_at IS NULL)'),
        indexed('issued'),
        ...['customer', 'paid', 'issued', 'amount'].map((field) =>
          indexed(`${field}, external_id`, '(deleted_at IS NULL)'),
        ),
      ].toSorted(),
    );
    await mirrorAll(server);
    expect(await listed(server, '/invoices?amount_min=5&q=NOTE')).toEqual(['1', '2']);
    expect(await totals(server)).toEqual([
      ['c1', '5.00', 1],
      ['c2', '5.00', 1],
    ]);
  });

  it('has nothing to change at the next start', async () => {
    here.declare(customers, invoices);
    await here.whileUp(mirrorAll);
    const before = await here.catalogue();

    expect(await here.command('resources', 'check')).toMatchObject({
      code: 0,
      stdout: '✓ The files are good, and the database is as they say.\n',
    });
    await here.whileUp(async (server) => expect(await listed(server, '/invoices')).toEqual(['1', '2']));

    expect(await here.catalogue()).toEqual(before);
  });

  it('comes up beside another one that starts on the same empty database', async () => {
    await here.close();
    here = await Installation.create(createEmptyDatabase());
    here.declare(customers, invoices);

    const [one, other] = await Promise.all([here.start(), here.start()]);

    await mirrorAll(one);
    expect(await totals(other)).toEqual([
      ['c1', '5.00', 1],
      ['c2', '5.00', 1],
    ]);
  });

  it('is made by an owner who is no superuser, also where something is lost', async () => {
    await here.close();
    here = await Installation.create(createEmptyDatabase());
    const owner = `owner_${randomBytes(4).toString('hex')}`;
    await here.query(
      `create role ${owner} login password 'secret'; grant counterpart_app, counterpart_system to ${owner};
       do $$ begin execute format('alter database %I owner to ${owner}', current_database()); end $$;
       alter schema public owner to ${owner}`,
    );
    here.connectAs(owner, 'secret');
    here.declare(customers, invoices);
    await here.whileUp(mirrorAll);

    here.declare({ ...invoices, parents: { customer: { ...invoices.parents.customer, by: 'payer' } } });
    expect(await here.command('resources', 'apply', '--allow-loss')).toMatchObject({ code: 0, stderr: '' });

    // Row-level security binds owners too, and it is they who fill links and totals.
    await here.whileUp(async (server) => {
      expect(await totals(server)).toEqual([
        ['c1', '10.00', 2],
        ['c2', '0.00', 0],
      ]);
    });
    expect(await here.isConsistent()).toBe(true);
  });
});

describe('a start with a definition that has more than before', () => {
  const note = { ...invoices, fields: { ...invoices.fields, text: 'text(10)?' } };

  it.each([
    ['a field that may be absent', [note], '+ invoices: adds the field text'],
    [
      'such a field in lists',
      [{ ...note, list: { ...invoices.list, filter: ['customer', 'text'] } }],
      '+ invoices: makes an index (source_id, "text", external_id) where deleted_at is null',
    ],
    [
      'an index',
      [{ ...invoices, list: { ...invoices.list, filter: ['customer', 'number'] } }],
      '+ invoices: makes an index (source_id, "number", external_id) where deleted_at is null',
    ],
    ['another resource', [invoices, { name: 'beds', fields: {} }], '+ beds: makes the table'],
    [
      'another total',
      [
        {
          ...invoices,
          parents: {
            customer: { ...invoices.parents.customer, totals: { ...invoices.parents.customer.totals, more: 'count' } },
          },
        },
      ],
      '+ customers: counts more',
    ],
    [
      'a field that may be absent now',
      [{ ...invoices, fields: { ...invoices.fields, issued: 'date?' } }],
      '+ invoices: takes over the definition',
    ],
    ['fewer entries in lists', [{ ...invoices, list: {} }], '+ invoices: drops the index '],
    ['no window', [{ ...invoices, window: undefined }], '+ invoices: drops the index '],
  ])('adds %s, and all rows stay as they were', async (_, shapes, said) => {
    here.declare(customers, invoices);
    await here.whileUp(mirrorAll);
    const rows = () => here.query('select id, external_id, updated, note, xmin from mirrored_invoices order by id');
    const before = await rows();

    here.declare(...shapes);
    const check = await here.command('resources', 'check');
    expect(check.code).toBe(0);
    expect(check.stdout).toContain(said);
    await here.whileUp(async (server) => {
      expect(await totals(server)).toEqual([
        ['c1', '5.00', 1],
        ['c2', '5.00', 1],
      ]);
      expect(await listed(server, '/invoices')).toEqual(['1', '2']);
    });

    expect(await rows()).toEqual(before);
    expect(await here.command('resources', 'check')).toMatchObject({ stdout: expect.stringMatching(/^✓ /) });
    expect(await here.isConsistent()).toBe(true);
  });

  it('keeps a field that was added, with its values', async () => {
    here.declare(customers, invoices);
    await here.whileUp(mirrorAll);
    here.declare(note);

    await here.whileUp(async (server) => {
      expect(await server.get('/invoices/1')).toMatchObject({ text: null });
      await server.mirror('/invoices', [{ ...twoInvoices[0], text: 'x' }, twoInvoices[1]]);
      expect(await server.get('/invoices/1')).toMatchObject({ text: 'x' });
    });
  });

  it('numbers the versions of a definition, and not the starts', async () => {
    const versions = () =>
      here.query(`select name, version from resource_definition where name in ('customers', 'invoices') order by name`);
    here.declare(customers, invoices);
    await here.whileUp(async () => undefined);
    await here.whileUp(async () => undefined);
    here.declare(note);
    await here.whileUp(async () => undefined);

    expect(await versions()).toEqual([
      { name: 'customers', version: 1 },
      { name: 'invoices', version: 2 },
    ]);
  });

  it('adds an index while another server waits for its turn to start', async () => {
    here.declare(customers, invoices);
    await here.whileUp(mirrorAll);
    here.declare({ ...invoices, list: { ...invoices.list, sort: ['-amount', 'number'] } });

    const servers = await Promise.all([here.start(), here.start(), here.start()]);

    for (const server of servers) expect(await listed(server, '/invoices?sort=number')).toEqual(['1', '2']);
  });

  it('makes an index again of which the making was interrupted', async () => {
    here.declare(customers, invoices);
    await here.whileUp(mirrorAll);
    const [first] = await here.indexesOf('mirrored_invoices');
    await here.query('update pg_index set indisvalid = false where indexrelid = $1', [first?.oid]);

    const check = await here.command('resources', 'check');
    expect(check).toMatchObject({ code: 0, stdout: expect.stringContaining('+ invoices: makes an index ') });
    await here.whileUp(async () => undefined);

    const [again] = await here.indexesOf('mirrored_invoices');
    expect(again).toEqual({ ...first, isValid: true, oid: expect.any(Number) });
    expect(again?.oid).not.toBe(first?.oid);
  });
});
