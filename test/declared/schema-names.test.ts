import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Installation } from './installation.js';

const ODD_FIELDS = 'tableoid xmin cmin xmax cmax ctid source_id deleted_at row_id at job_id changed image next'.split(
  ' ',
);
const ODD_PARENTS = 'done before untouched goes operation rejected old1 old_link1 new_link1'.split(' ');

const oddFields = {
  name: 'odd-fields',
  fields: { value: 'integer', ...Object.fromEntries(ODD_FIELDS.map((field) => [field, 'text?'])) },
  list: { filter: ODD_FIELDS, sort: ['value'] },
};

const oddParents = {
  name: 'odd-parents',
  fields: { value: 'integer', by: 'text?' },
  parents: Object.fromEntries(ODD_PARENTS.map((name) => [name, { resource: 'patients', by: 'by' }])),
  list: { sort: ['value'] },
};

let here: Installation;

beforeEach(async () => {
  here = await Installation.create();
});

afterEach(() => here.close());

describe('names', () => {
  it.each([oddFields, oddParents])('of $name may be those of PostgreSQL and of the engine', async (odd) => {
    const { name } = odd;
    here.declare(odd);
    const server = await here.start();
    const names = Object.fromEntries(ODD_FIELDS.map((field) => [field, field]));
    await server.mirror(`/${name}`, [{ externalId: 'a', value: 1, ...names }]);
    const { id } = await server.mirror(`/${name}`, [{ externalId: 'a', value: 2 }]);

    const revert = { method: 'POST', headers: { Prefer: 'wait=10' } };
    expect(await server.get(`/sync/jobs/${id}/revert`, revert)).toMatchObject({
      status: 'completed',
      counts: { updated: 1 },
    });
    expect(await server.get(`/${name}/a`)).toMatchObject({ value: 1, ...(name === 'odd-fields' && names) });
    expect((await server.get(`/${name}/a/history`)).items).toHaveLength(3);
    expect((await server.get(`/${name}?sort=value`)).items).toHaveLength(1);
  });

  it('that every object of JavaScript has may be those of parameters', async () => {
    const fields = ['constructor', 'toString', 'hasOwnProperty', 'valueOf'];
    here.declare({
      name: 'things',
      fields: Object.fromEntries(fields.map((field) => [field, 'text?'])),
      list: { filter: fields, sort: fields },
    });
    const server = await here.start();
    await server.mirror('/things', [{ externalId: '1', constructor: 'a', toString: 'b' }, { externalId: '2' }]);

    for (const query of ['constructor=a', 'toString=b', 'sort=toString&constructor=a']) {
      expect((await server.get(`/things?${query}`)).items).toMatchObject([{ externalId: '1' }]);
    }
    expect(await server.get('/things?isPrototypeOf=a')).toMatchObject({ status: 400, code: 'unknown_parameter' });
    expect(await server.get('/patients?constructor=a')).toMatchObject({ status: 400, code: 'unknown_parameter' });
  });

  it('may be spelled by records in camelCase and in snake_case, unless another field has that name', async () => {
    const names = ['snake_case', 'customerID', 'HTTPCode', 'line_2', 'a_b', 'address_1', 'address1'];
    here.declare({ name: 'things', fields: Object.fromEntries(names.map((name) => [name, 'text?'])) });
    const server = await here.start();
    const sent = [
      { snake_case: 's', customer_id: 'c', http_code: 'h', line2: 'l', aB: 'a', address_1: '_', address1: '-' },
      { snakeCase: 's', customerId: 'c', httpCode: 'h', line_2: 'l', a_b: 'a', address_1: '_', address1: '-' },
    ];

    const job = await server.mirror(
      '/things',
      sent.map((record, place) => ({ externalId: String(place), ...record })),
    );

    const stored = {
      snake_case: 's',
      customerID: 'c',
      HTTPCode: 'h',
      line_2: 'l',
      a_b: 'a',
      address_1: '_',
      address1: '-',
    };
    expect(job).toMatchObject({ status: 'completed', warnings: [] });
    expect((await server.get('/things')).items).toMatchObject([stored, stored]);
  });
});
