import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { aLine, Biller } from '../claims/biller.js';
import { aPatient, aPayment, Sender } from '../http/sender.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';

/** Internal columns in spellings that an attacker might try, with recognisable values. */
const INTERNAL: Record<string, unknown> = {
  id: 4711,
  sourceId: 4711,
  source_id: 4711,
  source: 'other',
  created: '1999-01-01T00:00:00.000Z',
  created_at: '1999-01-01T00:00:00.000Z',
  updated: '1999-01-01T00:00:00.000Z',
  deletedAt: '1999-01-01T00:00:00.000Z',
  deleted_at: '1999-01-01T00:00:00.000Z',
  paymentsTotal: '999999.00',
  payments_total: '999999.00',
  paymentsCount: 4711,
  payments_count: 4711,
  changedBy: '019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c',
  digest: 'x',
  ordinal: 4711,
  rejected: true,
  constructor: { name: 'x' },
  prototype: {},
};

/** As text, since in an object literal it would set the prototype. */
const PROTO = '"__proto__":{"firstName":"Taken","id":4711,"paymentsTotal":"999999.00"}';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server.close());

function withInternal(record: Record<string, unknown>): string {
  return `[${JSON.stringify({ ...INTERNAL, ...record }).slice(0, -1)},${PROTO}}]`;
}

describe('a record with internal columns', () => {
  it('as a patient sets none of them, and is reported with warnings', async () => {
    const from = new Sender(server);
    const [plain] = [await new Sender(server).mirror('/patients', [aPatient()])];

    const job = await from.mirror('/patients', withInternal({ ...aPatient(), patientId: '5', amount: '3.00' }));

    expect({ ...job.counts }).toEqual(plain?.counts);
    const patient = await from.get('/patients/1');
    expect(patient).toMatchObject({ firstName: 'Rick', paymentsTotal: '0.00', paymentsCount: 0 });
    expect(patient.id).not.toBe(4711);
    expect(patient.created).not.toMatch(/^1999/);
    expect(patient.updated).not.toMatch(/^1999/);
    const brought = [...Object.keys(INTERNAL), '__proto__', 'amount', 'patientId'];
    // Twenty are named, the rest are counted.
    for (const { code, field } of job.warnings) {
      expect({ code, known: [...brought, '(others)'].includes(String(field)) }).toEqual({
        code: 'unknown_field',
        known: true,
      });
    }
    expect(job.warnings.reduce((sum, { count }) => sum + Number(count), 0)).toBe(brought.length);
  });

  it('as a payment sets none of them', async () => {
    const from = new Sender(server);
    await from.mirror('/patients', [aPatient()]);

    const job = await from.mirror('/payments', withInternal({ ...aPayment(), patient_id: '1' }));

    expect(job.counts).toMatchObject({ created: 1, rejected: 0, unresolved: 0 });
    const { items } = await from.get('/payments');
    expect(items).toMatchObject([{ externalId: '1', patientId: '1', amount: '1.00' }]);
    expect(items[0].id).not.toBe(4711);
    expect(items[0].created).not.toMatch(/^1999/);
    expect(await from.get('/patients/1')).toMatchObject({ paymentsTotal: '1.00', paymentsCount: 1 });
  });

  it('as an update or a CSV row changes none of them either', async () => {
    const from = new Sender(server);
    await from.mirror('/patients', [aPatient()]);
    const before = await from.get('/patients/1');
    const names = Object.keys(INTERNAL);
    const table = `externalId,firstName,lastName,${names.join(',')}\n1,Rick,Deckard,${names.map(() => '4711').join(',')}\n`;

    await from.mirror('/patients', withInternal(aPatient()));
    const job = await from.mirror('/patients', table, { 'Content-Type': 'text/csv' });

    expect(job.counts).toMatchObject({ unchanged: 1 });
    expect(await from.get('/patients/1')).toEqual(before);
  });

  it('does not reach the rows of another source', async () => {
    const [owner, thief] = [new Sender(server), new Sender(server)];
    await owner.mirror('/patients', [aPatient()]);
    const before = await owner.get('/patients');
    const [row] = await server.query('select id from source where name = $1', [owner.source]);

    await thief.mirror('/patients', [
      aPatient({ id: before.items[0].id, sourceId: row.id, source_id: row.id, source: owner.source, firstName: 'x' }),
    ]);
    await thief.mirror('/patients?deletes=apply', []);

    expect(await owner.get('/patients')).toEqual(before);
  });
});

describe('a claim', () => {
  it('with internal columns sets none of them', async () => {
    const from = new Biller(server);
    const plain = await from.submit({ lines: [aLine()] });
    const internal: Record<string, unknown> = {
      ...INTERNAL,
      status: 'settled',
      netFee: '9.99',
      net_fee: '9.99',
      claim_id: 'x',
      line: 7,
      content: 'x',
      attempts: 7,
    };

    const { id } = await from.submit(
      `{"lines":[${JSON.stringify({ ...internal, ...aLine() }).slice(0, -1)},${PROTO}}],${JSON.stringify(internal).slice(1)}`,
    );

    expect(id).not.toBe(INTERNAL['id']);
    const same = { updated: expect.anything(), payment: expect.anything(), created: expect.any(String), id };
    expect({ ...(await from.get(`/claims/${id}`)), ...same }).toEqual({
      ...(await from.get(`/claims/${plain.id}`)),
      ...same,
    });
    expect((await from.get(`/claims/${id}`)).created).not.toMatch(/^1999/);
  });
});

describe('a webhook', () => {
  const order = { url: 'https://192.0.2.1/hook' };

  it.each(['id', 'sourceId', 'source_id', 'secret', 'enabled', 'created', 'failures', 'constructor', 'prototype'])(
    'cannot be created with %s',
    async (name) => {
      const from = new Sender(server);

      const response = await from.post('/webhooks', { ...order, [name]: 'whsec_mine' });

      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ errors: [{ pointer: `/${name}`, code: 'unknown_field' }] });
      expect((await from.get('/webhooks')).items).toEqual([]);
    },
  );

  it('cannot be created with __proto__', async () => {
    const response = await new Sender(server).post(
      '/webhooks',
      `{"url":"https://192.0.2.1/","__proto__":{"enabled":true}}`,
    );

    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'unknown_field' });
  });
});
