import { describe, expect, it } from '@jest/globals';
import { readShape } from './read-shape.js';

/** A good definition, of which each test spoils a part. */
const invoices = {
  name: 'invoices',
  key: 'number',
  fields: {
    number: 'text(40)',
    customerId: 'text',
    issued: 'date',
    dueAt: 'instant?',
    amount: 'decimal(15,4)',
    pages: 'integer',
    paid: 'boolean',
    device: 'uuid?',
    details: 'json?',
    tags: 'text[]?',
  },
  parents: {
    customer: {
      resource: 'customers',
      by: 'customerId',
      totals: { invoicesTotal: 'sum(amount)', invoicesCount: 'count' },
    },
  },
  window: 'issued',
  list: {
    filter: ['customerId', 'paid', 'device'],
    range: ['issued', 'amount'],
    search: ['number'],
    sort: ['issued', '-amount'],
  },
};

const withFields = (fields: Record<string, unknown>) => ({ ...invoices, fields: { ...invoices.fields, ...fields } });
const withList = (list: unknown) => ({ ...invoices, list });
const withParent = (parent: unknown) => ({ ...invoices, parents: { customer: parent } });
const withTotals = (totals: unknown) => withParent({ ...invoices.parents.customer, totals });

/** So many good fields. */
const fields = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`field${index}`, 'text']));

/** All that is wrong, as people read it. */
function faultsOf(shape: unknown): string[] {
  return readShape(shape).faults.map(({ path, detail }) => `${path.join('.')} ${detail}`.trim());
}

const NAME = 'must be a lower-case letter followed by up to 39 lower-case letters, digits and hyphens';
const FIELD_NAME = 'must be a letter followed by up to 62 letters, digits and underscores';
const PARENT_NAME = 'must be a letter followed by up to 39 letters, digits and underscores';
const NO_TYPE =
  'is not a type; there are text, text(n), integer, decimal(p,s), boolean, date, instant, uuid, json and text[]';
const NO_SIZE = 'must be text(n) with n from 1 to 10000, such as text(40)';
const NO_SCALE = 'must be decimal(p,s) with p from 1 to 38 and s from 0 to p, such as decimal(15,4)';
const OURS = 'is a reserved name';
const NO_MAPPING = 'must be a mapping';
const NO_NAMES = 'must be a list of names';
const NO_FORMULA = 'must be count, or the sum of a field, such as sum(amount)';

describe('a good definition', () => {
  it('is read with all of its parts', () => {
    const { definition, faults } = readShape(invoices);

    expect(faults).toEqual([]);
    expect(definition).toMatchObject({
      name: 'invoices',
      key: ['number'],
      parents: [
        {
          name: 'customer',
          resource: 'customers',
          by: 'customerId',
          totals: [
            { name: 'invoicesTotal', sumOf: 'amount' },
            { name: 'invoicesCount', sumOf: null },
          ],
        },
      ],
      window: 'issued',
      list: {
        filter: ['customerId', 'paid', 'device'],
        range: ['issued', 'amount'],
        search: ['number'],
        sort: [
          { field: 'issued', descending: false },
          { field: 'amount', descending: true },
        ],
      },
      countsDuplicates: false,
      shape: invoices,
    });
    expect(definition?.fields.map(({ name, type, isOptional }) => [name, type.name, isOptional])).toEqual([
      ['number', 'text(40)', false],
      ['customerId', 'text', false],
      ['issued', 'date', false],
      ['dueAt', 'instant', true],
      ['amount', 'decimal(15,4)', false],
      ['pages', 'integer', false],
      ['paid', 'boolean', false],
      ['device', 'uuid', true],
      ['details', 'json', true],
      ['tags', 'text[]', true],
    ]);
  });

  it('needs nothing but a name and fields, and then has the key externalId', () => {
    const { definition } = readShape({ name: 'a', fields: {} });

    expect(definition).toMatchObject({ key: ['externalId'], parents: [], window: null, countsDuplicates: false });
    expect(definition?.fields).toMatchObject([{ name: 'externalId', isOptional: false, type: { name: 'text' } }]);
  });

  it.each([
    ['a name of 40 characters', { ...invoices, name: `a${'0-'.repeat(19)}z` }],
    ['the key externalId with a type of its own', { name: 'a', fields: { externalId: 'integer' } }],
    ['a key of several fields', { ...invoices, key: ['number', 'issued', 'pages'] }],
    ['duplicates that are counted', { ...invoices, duplicates: 'count' }],
    ['100 fields', { name: 'a', key: 'field0', fields: fields(100) }],
    ['a field of 63 characters', withFields({ [`a${'B'.repeat(62)}`]: 'text' })],
    ['a blank before the question mark', withFields({ amount: 'decimal(15, 4) ?' })],
    ['the longest text and the longest decimal', withFields({ note: 'text(10000)', ratio: 'decimal(38,38)' })],
    ['16 entries in a list', { name: 'a', fields: fields(16), list: { sort: Object.keys(fields(16)) } }],
    ['a field that is sorted by in both orders', withList({ sort: ['issued', '-issued'] })],
    [
      'the key externalId in lists',
      { name: 'a', fields: {}, list: { filter: ['externalId'], search: ['externalId'] } },
    ],
    [
      'two parents of one resource',
      { ...invoices, parents: { payer: aCustomer('customerId'), owner: aCustomer('number') } },
    ],
    ['a total of an integer', withTotals({ pagesTotal: 'sum( pages )' })],
    ['a filter that ends like a range of another field', withList({ filter: ['pages'], range: ['amount'] })],
  ])('may have %s', (_, shape) => {
    expect(faultsOf(shape)).toEqual([]);
  });

  it.each([
    'select',
    'order',
    'created_by',
    'deleted',
    'ordinal',
    'operation',
    'before',
    'constructor',
    'toString',
    'hasOwnProperty',
    'source_id',
    'deleted_at',
    'xmin',
    'name',
    'key',
    'fields',
  ])('may have a field named %s, in every part', (name) => {
    const shape = {
      name: 'a',
      key: [name],
      fields: { [name]: 'text' },
      parents: { [name]: { resource: 'b', by: name, totals: { [name]: 'count' } } },
      list: { filter: [name], search: [name], sort: [`-${name}`] },
    };

    expect(faultsOf(shape)).toEqual([]);
    expect(readShape(shape).definition?.fields.map((field) => field.name)).toEqual([name]);
  });
});

function aCustomer(by: string) {
  return { resource: 'customers', by };
}

describe('a name', () => {
  it.each([
    '',
    'Invoices',
    '1invoices',
    '-invoices',
    'in_voices',
    'in voices',
    'invoices/x',
    'invöices',
    'invoices\n',
    `a${'b'.repeat(40)}`,
  ])('%j is no resource’s', (name) => {
    expect(faultsOf({ ...invoices, name })).toEqual([`name ${NAME}`]);
  });

  it.each([
    'accounts',
    'admin',
    'api',
    'audit',
    'changes',
    'claim-payments',
    'claims',
    'console',
    'docs',
    'health',
    'metrics',
    'providers',
    'sync',
    'webhooks',
  ])('%s is a path of our own', (name) => {
    expect(faultsOf({ ...invoices, name })).toEqual(['name is a path of the server itself']);
  });

  it.each(['', '1a', '_a', 'a-b', 'a b', 'a.b', '$a', 'ä', 'a"', '__proto__', `a${'b'.repeat(63)}`])(
    '%j is no field’s, parent’s or total’s',
    (name) => {
      const named = (value: unknown) => JSON.parse(`{${JSON.stringify(name)}: ${JSON.stringify(value)}}`) as object;

      expect(faultsOf({ name: 'a', fields: named('text') })).toEqual([`fields.${name} ${FIELD_NAME}`]);
      expect(faultsOf({ ...invoices, parents: named(aCustomer('customerId')) })).toEqual([
        `parents.${name} ${PARENT_NAME}`,
      ]);
      expect(faultsOf(withTotals(named('count')))).toEqual([`parents.customer.totals.${name} ${FIELD_NAME}`]);
    },
  );

  it.each(['id', 'created', 'updated', 'copies', 'limit', 'cursor', 'sort', 'q'])('%s is ours', (name) => {
    expect(faultsOf(withFields({ [name]: 'text' }))).toEqual([`fields.${name} ${OURS}`]);
  });

  it('externalId is that of the key, in both spellings', () => {
    expect(faultsOf(withFields({ externalId: 'text' }))).toEqual([`fields.externalId ${OURS}`]);
    expect(faultsOf({ ...withFields({ externalId: 'text' }), key: ['number', 'externalId'] })).toEqual([
      `fields.externalId ${OURS}`,
    ]);
    expect(faultsOf(withFields({ external_id: 'text' }))).toEqual([
      'fields.external_id is another spelling of externalId',
    ]);
    expect(faultsOf({ name: 'a', fields: { external_id: 'text' } })).toEqual([
      'fields.external_id is another spelling of externalId',
    ]);
  });

  it.each([
    ['dueDate', 'due_date'],
    ['due_date', 'dueDate'],
  ])('%s beside %s is another spelling of it', (one, other) => {
    expect(faultsOf({ name: 'a', fields: { [one]: 'text', [other]: 'text' } })).toEqual([
      `fields.${other} is another spelling of ${one}`,
    ]);
  });

  it('of a filter is not that of a range’s parameter', () => {
    const shape = { ...withFields({ amount_min: 'integer', amount_max: 'integer' }) };

    expect(faultsOf({ ...shape, list: { filter: ['amount_min', 'amount_max'], range: ['amount'] } })).toEqual([
      'list.filter names amount_min, which is a parameter of a range too',
      'list.filter names amount_max, which is a parameter of a range too',
    ]);
    expect(faultsOf({ ...shape, list: { sort: ['amount_min'], range: ['amount'] } })).toEqual([]);
  });
});

describe('a type', () => {
  it.each([
    ['', NO_TYPE],
    ['?', NO_TYPE],
    ['string', NO_TYPE],
    ['Text', NO_TYPE],
    [' text', NO_TYPE],
    ['text??', NO_TYPE],
    ['text[][]', NO_TYPE],
    ['integer(3)', NO_TYPE],
    ['decimal', NO_TYPE],
    ['constructor', NO_TYPE],
    ['text(-1)', NO_TYPE],
    [`text(${'1'.repeat(100_000)})`, NO_TYPE],
    ['text(0)', NO_SIZE],
    ['text(10001)', NO_SIZE],
    ['text(4,2)', NO_SIZE],
    ['decimal(15)', NO_SCALE],
    ['decimal(0,0)', NO_SCALE],
    ['decimal(39,1)', NO_SCALE],
    ['decimal(4,5)', NO_SCALE],
  ])('%.30j is none', (type, detail) => {
    expect(faultsOf(withFields({ extra: type }))).toEqual([`fields.extra ${detail}`]);
  });

  it.each([[null], [5], [true], [['text']], [{ type: 'text' }]])('%j is none', (type) => {
    expect(faultsOf(withFields({ extra: type }))).toEqual(['fields.extra must have a type, such as text']);
  });

  it('that is none is told once, not at each place that names the field', () => {
    const shape = { ...withFields({ amount: 'money', issued: 'day' }), key: ['number', 'issued'] };

    expect(faultsOf(shape)).toEqual([`fields.issued ${NO_TYPE}`, `fields.amount ${NO_TYPE}`]);
  });
});

describe('a key', () => {
  it.each([
    ['nothing', 'key names "nothing", but there is no such field'],
    ['', 'key names "", but there is no such field'],
    ['toString', 'key names "toString", but there is no such field'],
    ['device', 'key begins with device, which may be absent'],
    [['device', 'number'], 'key begins with device, which may be absent'],
    ['paid', 'key names paid, and a field of type boolean cannot be a key'],
    ['details', 'key names details, and a field of type json cannot be a key'],
    ['tags', 'key names tags, and a field of type text[] cannot be a key'],
    [['number', 'nothing'], 'key names "nothing", but there is no such field'],
    [['number', 'number'], 'key has the same entry twice'],
    [[], 'key must name a field, or a list of fields'],
    [[5], `key ${NO_NAMES}`],
    [null, `key ${NO_NAMES}`],
    [5, `key ${NO_NAMES}`],
    [{ number: 'text' }, `key ${NO_NAMES}`],
  ])('%j is none', (key, fault) => {
    expect(faultsOf({ ...invoices, key })).toEqual([fault]);
  });

  it('has at most ten fields', () => {
    const keyOf = (count: number) => ({ name: 'a', key: Object.keys(fields(count)), fields: fields(11) });

    expect(faultsOf(keyOf(10))).toEqual([]);
    expect(faultsOf(keyOf(11))).toEqual(['key must have at most 10 entries']);
  });

  it('reads texts as what names a record: not empty, and digits for an integer', () => {
    const type = (name: string) => readShape(invoices).definition?.fields.find((field) => field.name === name)?.type;

    expect(type('number')?.read(12)).toBe('12');
    expect(type('number')?.read('')).toMatchObject({ detail: 'must not be empty' });
    expect(type('number')?.read('a'.repeat(41))).toMatchObject({ detail: 'must have at most 40 characters' });
    expect(type('customerId')?.read(12)).toBe('12');
    expect(type('customerId')?.read('a'.repeat(251))).toMatchObject({ detail: 'must have at most 250 characters' });
  });
});

describe('a parent', () => {
  it.each([
    [{ by: 'customerId' }, ['parents.customer.resource must be the name of a resource']],
    [{ resource: 'Customers', by: 'customerId' }, ['parents.customer.resource must be the name of a resource']],
    [{ resource: 'customers' }, ['parents.customer.by must name a field']],
    [{ resource: 'customers', by: ['customerId'] }, ['parents.customer.by must name a field']],
    [aCustomer('nothing'), ['parents.customer.by names "nothing", but there is no such field']],
    [aCustomer('issued'), ['parents.customer.by names issued, and a field of type date cannot name a parent']],
    [aCustomer('tags'), ['parents.customer.by names tags, and a field of type text[] cannot name a parent']],
    [
      { ...aCustomer('customerId'), total: {} },
      ['parents.customer.total is not known; there are resource, by, totals'],
    ],
    [{}, ['parents.customer.resource must be the name of a resource', 'parents.customer.by must name a field']],
  ])('%j is none', (parent, faults) => {
    expect(faultsOf(withParent(parent))).toEqual(faults);
  });

  it.each([[null], ['customers'], [5], [['customers']]])('%j is no mapping', (parent) => {
    expect(faultsOf(withParent(parent))).toContain(`parents.customer ${NO_MAPPING}`);
  });

  it('is not named by an external id that is the resource’s own, which has no column', () => {
    expect(faultsOf({ name: 'a', fields: {}, parents: { same: aCustomer('externalId') } })).toEqual([
      'parents.same.by names externalId, which is kept as a text and cannot name a parent',
    ]);
  });

  it('has a name of at most 40 characters, and there are at most ten', () => {
    const named = (name: string) => faultsOf({ ...invoices, parents: { [name]: aCustomer('customerId') } });
    const many = (count: number) => {
      const parents = Object.keys(fields(count)).map((name) => [name, aCustomer('customerId')]);
      return faultsOf({ ...invoices, parents: Object.fromEntries(parents) });
    };

    expect(named('a'.repeat(40))).toEqual([]);
    expect(named('a'.repeat(41))).toEqual([`parents.${'a'.repeat(41)} ${PARENT_NAME}`]);
    expect(many(10)).toEqual([]);
    expect(many(11)).toEqual(['parents must have at most 10 entries']);
  });

  it.each([
    ['sum', NO_FORMULA],
    ['sum()', NO_FORMULA],
    ['count(amount)', NO_FORMULA],
    ['avg(amount)', NO_FORMULA],
    ['SUM(amount)', NO_FORMULA],
    ['sum(amount) + 1', NO_FORMULA],
    [`sum(${'a'.repeat(100_000)})`, NO_FORMULA],
    ['', NO_FORMULA],
    [null, NO_FORMULA],
    [5, NO_FORMULA],
    [['count'], NO_FORMULA],
    ['sum(nothing)', 'names "nothing", but there is no such field'],
    ['sum(issued)', 'names issued, and a field of type date cannot be summed'],
    ['sum(number)', 'names number, and a field of type text(40) cannot be summed'],
    ['sum(paid)', 'names paid, and a field of type boolean cannot be summed'],
  ])('has no total %.30j', (formula, detail) => {
    expect(faultsOf(withTotals({ total: formula }))).toEqual([`parents.customer.totals.total ${detail}`]);
  });

  it('has at most 20 totals', () => {
    const totals = (count: number) => Object.fromEntries(Object.keys(fields(count)).map((name) => [name, 'count']));

    expect(faultsOf(withTotals(totals(20)))).toEqual([]);
    expect(faultsOf(withTotals(totals(21)))).toEqual(['parents.customer.totals must have at most 20 entries']);
  });
});

describe('a window', () => {
  it.each(['issued', 'dueAt', 'amount', 'pages'])('may be %s', (window) => {
    expect(faultsOf({ ...invoices, window })).toEqual([]);
  });

  it.each([
    ['nothing', 'window names "nothing", but there is no such field'],
    ['number', 'window names number, and a field of type text(40) cannot be a window'],
    ['paid', 'window names paid, and a field of type boolean cannot be a window'],
    ['device', 'window names device, and a field of type uuid cannot be a window'],
    ['', 'window names "", but there is no such field'],
    [null, 'window must name a field'],
    [5, 'window must name a field'],
    [['issued'], 'window must name a field'],
    [{ field: 'issued' }, 'window must name a field'],
  ])('is not %j', (window, fault) => {
    expect(faultsOf({ ...invoices, window })).toEqual([fault]);
  });
});

describe('a list', () => {
  it.each([
    [{ filter: ['nothing'] }, 'list.filter names "nothing", but there is no such field'],
    [{ filter: ['toString'] }, 'list.filter names "toString", but there is no such field'],
    [{ filter: ['details'] }, 'list.filter names details, and a field of type json cannot be filtered by'],
    [{ filter: ['tags'] }, 'list.filter names tags, and a field of type text[] cannot be filtered by'],
    [{ filter: ['paid', 'paid'] }, 'list.filter has the same entry twice'],
    [{ range: ['number'] }, 'list.range names number, and a field of type text(40) cannot have a range'],
    [{ range: ['paid'] }, 'list.range names paid, and a field of type boolean cannot have a range'],
    [{ range: ['device'] }, 'list.range names device, and a field of type uuid cannot have a range'],
    [{ search: ['amount'] }, 'list.search names amount, and a field of type decimal(15,4) cannot be searched'],
    [{ search: ['-number'] }, 'list.search names "-number", but there is no such field'],
    [{ sort: ['details'] }, 'list.sort names details, and a field of type json cannot be sorted by'],
    [{ sort: ['--amount'] }, 'list.sort names "-amount", but there is no such field'],
    [{ sort: ['+amount'] }, 'list.sort names "+amount", but there is no such field'],
    [{ sort: ['-'] }, 'list.sort names "", but there is no such field'],
    [{ sort: ['-amount', '-amount'] }, 'list.sort has the same entry twice'],
    [{ filters: ['paid'] }, 'list.filters is not known; there are filter, range, search, sort'],
  ] as [unknown, string][])('is not %j', (list, fault) => {
    expect(faultsOf(withList(list))).toEqual([fault]);
  });

  it.each(['filter', 'range', 'search', 'sort'])('of %s is a list of names', (list) => {
    for (const value of [null, 'paid', 5, true, {}, [null], [['paid']], [5]]) {
      expect(faultsOf(withList({ [list]: value }))).toEqual([`list.${list} ${NO_NAMES}`]);
    }
  });

  it.each(['filter', 'range', 'search', 'sort'])('of %s has at most 16 entries', (list) => {
    const type = list === 'range' ? 'integer' : 'text';
    const all = Object.fromEntries(Object.keys(fields(17)).map((name) => [name, type]));

    expect(faultsOf({ name: 'a', fields: all, list: { [list]: Object.keys(all) } })).toEqual([
      `list.${list} must have at most 16 entries`,
    ]);
  });

  it('has no range of an external id, which is kept as a text', () => {
    expect(faultsOf({ name: 'a', fields: { externalId: 'integer' }, list: { range: ['externalId'] } })).toEqual([
      'list.range names externalId, which is kept as a text and cannot have a range',
    ]);
  });
});

describe('what is no definition', () => {
  it.each([[null], [undefined], ['invoices'], [5], [true], [[]], [[invoices]]])('%j is told so', (shape) => {
    expect(readShape(shape)).toEqual({ definition: null, draft: null, faults: [{ path: [], detail: NO_MAPPING }] });
  });

  it.each(['fields', 'parents', 'list'])('has a mapping of %s', (part) => {
    for (const value of [null, 'x', 5, true, []]) {
      expect(faultsOf({ name: 'a', fields: {}, [part]: value })).toEqual([`${part} ${NO_MAPPING}`]);
    }
  });

  it.each([[null], [5], [['a']], [{}]])('has a name, not %j', (name) => {
    expect(faultsOf({ ...invoices, name })).toEqual([`name ${NAME}`]);
  });

  it.each([['last'], [''], [null], [5], [true], [['count']]])(
    'counts duplicates or not, and has no rule %j',
    (duplicates) => {
      expect(faultsOf({ ...invoices, duplicates })).toEqual(['duplicates must be count, or be left out']);
    },
  );

  it('has no other parts', () => {
    const known = 'is not known; there are name, key, fields, parents, window, list, duplicates';

    expect(faultsOf({ ...invoices, field: {}, 'a b': 1, constructor: 1 })).toEqual([
      `field ${known}`,
      `a b ${known}`,
      `constructor ${known}`,
    ]);
  });

  it('has at most 100 fields, and the further ones are not called missing', () => {
    const shape = { name: 'a', key: 'field100', fields: fields(101), list: { filter: ['field100'] } };

    expect(faultsOf(shape)).toEqual(['fields must have at most 100 entries']);
  });
});

it('everything that is wrong is told at once', () => {
  const shape = {
    name: 'Sync',
    key: 'nothing',
    fields: { id: 'text', amount: 'money', 'a-b': 'text', dueDate: 'date', due_date: 'date' },
    parents: { p: { resource: 'x', by: 'dueDate', totals: { n: 'max(id)' } } },
    window: 'id',
    list: { filter: ['nothing', 'id', 'id'], sorts: [] },
    duplicates: 'drop',
    version: 2,
  };

  expect(faultsOf(shape)).toEqual([
    'version is not known; there are name, key, fields, parents, window, list, duplicates',
    `name ${NAME}`,
    `fields.amount ${NO_TYPE}`,
    `fields.a-b ${FIELD_NAME}`,
    'key names "nothing", but there is no such field',
    'parents.p.by names dueDate, and a field of type date cannot name a parent',
    `parents.p.totals.n ${NO_FORMULA}`,
    'window names id, and a field of type text cannot be a window',
    'list.sorts is not known; there are filter, range, search, sort',
    'list.filter has the same entry twice',
    'list.filter names "nothing", but there is no such field',
    'duplicates must be count, or be left out',
    `fields.id ${OURS}`,
    'fields.due_date is another spelling of dueDate',
  ]);
  expect(readShape(shape).definition).toBeNull();
});
