import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Installation } from './installation.js';
import { twoCustomers } from './invoices.js';

const DEVICE = '0193de4c-5b6a-7c21-9f60-0f3a1de0a8c2';

const customers = { name: 'customers', key: 'no', fields: { no: 'text(40)', name: 'text' } };

const readings = {
  name: 'readings',
  key: 'device',
  fields: { device: 'uuid', room: 'uuid?', value: 'decimal(10,2)', customer: 'text' },
  parents: {
    customer: { resource: 'customers', by: 'customer', totals: { measured: 'sum(value)' } },
    whole: { resource: 'readings', by: 'room' },
  },
  window: 'value',
  list: { filter: ['room'], range: ['value'], sort: ['-value'] },
};

const wider = { device: 'text', room: 'text(36)?', value: 'decimal(12,4)', customer: 'text' };

const records = [
  { device: DEVICE, value: '99999999.99', customer: 'c1' },
  { device: DEVICE.replace('0', 'f'), value: -0.5, room: DEVICE, customer: 'c1' },
];

let here: Installation;

beforeEach(async () => {
  here = await Installation.create();
  here.declare(customers, readings);
  await here.whileUp(async (server) => {
    await server.mirror('/customers', twoCustomers);
    await server.mirror('/readings', records);
    await server.mirror('/readings?mode=partial', [{ ...records[1], value: '-0.25' }]);
  });
});

afterEach(() => here.close());

describe('a wider type', () => {
  it('keeps the values, by resources apply, and is refused by a start, which writes no table anew', async () => {
    const rows = `select id, created, updated from mirrored_readings order by id`;
    const before = await here.query(rows);
    here.declare({ ...readings, fields: wider });

    const { code, stdout } = await here.command('resources', 'check');
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(
        /readings: widens device to text\n.*readings: widens room to text\(36\)\n.*readings: widens value to decimal\(12,4\)\n/,
      ),
    });
    await expect(here.start()).rejects.toThrow(/readings: widens device to text\n[^]*npm run cli -- resources apply/);
    expect(await here.query(rows)).toEqual(before);
    expect(await here.command('resources', 'apply')).toMatchObject({ code: 0 });

    await here.whileUp(async (server) => {
      expect((await server.get('/readings?sort=-value')).items).toMatchObject([
        { externalId: DEVICE, device: DEVICE, room: null, value: '99999999.99' },
        { device: DEVICE.replace('0', 'f'), room: DEVICE, value: '-0.25' },
      ]);
      expect((await server.get(`/readings?room=${DEVICE}`)).items).toMatchObject([{ value: '-0.25' }]);
      expect((await server.get('/customers/c1')).measured).toBe('99999999.74');
      expect((await server.get(`/readings/${DEVICE.replace('0', 'f')}/history`)).items).toMatchObject([
        { operation: 'updated', before: { value: '-0.50' }, after: { value: '-0.25' } },
        { operation: 'created', after: { room: DEVICE, value: '-0.50' } },
      ]);
      expect((await server.get('/changes')).items).toHaveLength(5);
      expect(await here.query(rows)).toEqual(before);
      const job = await server.mirror('/readings?mode=partial', [{ ...records[0], value: '99999999.9999' }]);
      expect(job.counts).toMatchObject({ updated: 1 });
      expect((await server.get(`/readings/${DEVICE}`)).value).toBe('99999999.9999');
    });
    expect(await here.isConsistent()).toBe(true);
    expect(await here.command('resources', 'check')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^✓ /) });
  });

  it.each([
    [{ value: 'decimal(12,1)' }, 'changes the type of value to decimal(12,1): drops its values'],
    [{ value: 'decimal(10,4)' }, 'changes the type of value to decimal(10,4): drops its values'],
    [{ room: 'text(35)?' }, 'changes the type of room to text(35): drops its values'],
  ])('is none that some value may not fit: %j', async (fields, what) => {
    here.declare({ ...readings, fields: { ...readings.fields, ...fields } });

    expect(await here.command('resources', 'check')).toMatchObject({ code: 2, stdout: expect.stringContaining(what) });
  });
});
