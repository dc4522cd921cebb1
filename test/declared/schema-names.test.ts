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
});
