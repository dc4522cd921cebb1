import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { type TestServer, until } from '../setup/test-server.js';
import { Installation, type Shape } from './installation.js';

/** Children of both bundled resources, with totals in the rows of each. */
const visits = {
  name: 'visits',
  fields: { patient: 'text', payment: 'text?', fee: 'decimal(12,2)' },
  parents: {
    patient: { resource: 'patients', by: 'patient', totals: { visitsCount: 'count', visits_fees: 'sum(fee)' } },
    payment: { resource: 'payments', by: 'payment', totals: { paidVisits: 'count' } },
  },
};

/** The same without totals. */
const bare: Shape = {
  ...visits,
  parents: {
    patient: { resource: 'patients', by: 'patient' },
    payment: { resource: 'payments', by: 'payment' },
  },
};

const aPatient = (externalId: string) => ({ externalId, firstName: 'Ann', lastName: `Name ${externalId}` });
const twoPatients = ['1', '2'].map(aPatient);
const twoPayments = [
  { externalId: 'a', patientId: '1', amount: '5.00' },
  { externalId: 'b', patientId: '2', amount: '9.00' },
];
const threeVisits = [
  { externalId: 'x', patient: '1', payment: 'a', fee: '10.50' },
  { externalId: 'y', patient: '1', payment: 'a', fee: '0.25' },
  { externalId: 'z', patient: '2', payment: null, fee: '7.00' },
];

let here: Installation;

beforeEach(async () => {
  here = await Installation.create();
});

afterEach(() => here.close());

async function mirrorAll(server: TestServer): Promise<void> {
  await server.mirror('/patients', twoPatients);
  await server.mirror('/payments', twoPayments);
  await server.mirror('/visits', threeVisits);
}

/** Patients and payments with all of their totals, as lists show them. */
async function totals(server: TestServer): Promise<unknown[]> {
  const patients = (await server.get('/patients')).items.map((item: any) => {
    return [item.externalId, item.paymentsTotal, item.paymentsCount, item.visitsCount, item.visits_fees];
  });
  const payments = (await server.get('/payments')).items.map((item: any) => [item.externalId, item.paidVisits]);
  return [...patients, ...payments];
}

const ALL_TOTALS = [
  ['1', '5.00', 1, 2, '10.75'],
  ['2', '9.00', 1, 1, '7.00'],
  ['a', 2],
  ['b', 0],
];

/** Columns of the tables with totals of the bundled resources. */
function columns(): Promise<{ table: string; columns: string[] }[]> {
  return here.query(
    `select attrelid::regclass::text as table, array_agg(attname::text order by attnum) as columns from pg_attribute
      where attrelid in (to_regclass('patient_totals'), to_regclass('payment_totals')) and attnum > 0 and not attisdropped
      group by 1 order by 1`,
  );
}

const BUNDLED = ['source_id', 'id', 'external_id', 'payments_total', 'payments_count'];

describe('totals of a declared resource in the rows of patients and payments', () => {
  it('are in lists, in single rows, in every order, and in the documentation', async () => {
    here.declare(visits);
    const server = await here.start();
    await mirrorAll(server);

    expect(await totals(server)).toEqual(ALL_TOTALS);
    const patient = await server.get('/patients/1');
    expect(patient).toMatchObject({ paymentsTotal: '5.00', visitsCount: 2, visits_fees: '10.75' });
    expect((await server.get('/patients?sort=-paymentsTotal&payment_min=6')).items).toMatchObject([
      { externalId: '2', visitsCount: 1 },
    ]);
    expect((await server.get('/patients?sort=lastName&q=name')).items).toMatchObject([
      { visitsCount: 2 },
      { visitsCount: 1 },
    ]);
    expect((await server.get('/patients/1/payments')).items).toMatchObject([{ externalId: 'a', paidVisits: 2 }]);
    const payment = await server.get('/payments/a');
    expect(payment).toMatchObject({ amount: '5.00', paidVisits: 2 });

    const { components, paths } = await server.get('/openapi.json');
    expect(Object.keys(components.schemas.PatientView.properties)).toEqual(Object.keys(patient));
    expect(Object.keys(components.schemas.PaymentView.properties)).toEqual(Object.keys(payment));
    expect(components.schemas.PatientView).toMatchObject({
      required: expect.arrayContaining(['visitsCount', 'visits_fees']),
      properties: { visitsCount: { type: 'integer' }, visits_fees: { type: 'string' } },
    });
    const row = paths['/patients/{externalId}'].get.responses['200'].content['application/json'].schema;
    expect(Object.keys(row.properties)).toEqual(Object.keys(patient));
  });

  it('follow every change of the parents and of the children', async () => {
    here.declare(visits);
    const server = await here.start();
    // The children first: they wait for both.
    await server.mirror('/visits', threeVisits);
    await server.mirror('/payments', twoPayments);
    expect((await server.get('/visits')).items).toEqual([]);
    await server.mirror('/patients', twoPatients);
    expect(await totals(server)).toEqual(ALL_TOTALS);

    await server.mirror('/payments?deletes=apply', [twoPayments[1]]);
    expect(await totals(server)).toEqual([
      ['1', '0.00', 0, 0, '0.00'],
      ['2', '9.00', 1, 1, '7.00'],
      ['b', 0],
    ]);
    await server.mirror('/patients?deletes=apply', [twoPatients[0]]);
    await server.mirror('/payments', twoPayments);
    // A parent counts while it is live, whether or not it waits itself; one that waits is not listed.
    expect(await totals(server)).toEqual([ALL_TOTALS[0], ALL_TOTALS[2]]);
    await server.mirror('/visits?mode=partial', [{ ...threeVisits[0], payment: 'b' }]);
    await server.mirror('/patients', twoPatients);

    expect(await totals(server)).toEqual([ALL_TOTALS[0], ALL_TOTALS[1], ['a', 1], ['b', 1]]);
    expect(await here.isConsistent()).toBe(true);
  });

  it('leave pages by the total of payments as exact as they were', async () => {
    here.declare(visits);
    const server = await here.start();
    const ids = ['1', '2', '3', '4'];
    await server.mirror('/patients', ids.map(aPatient));
    const payments = (amounts: number[]) =>
      server.mirror(
        '/payments',
        amounts.map((amount, n) => ({ externalId: `p${n}`, patientId: ids[n], amount })),
      );
    await payments([40, 30, 20, 10]);
    const first = await server.get('/patients?sort=-paymentsTotal&limit=2');

    await server.mirror(
      '/visits',
      ids.map((id) => ({ externalId: id, patient: id, payment: null, fee: 1 })),
    );
    await payments([1, 2, 30, 40]);

    const second = await server.get(`/patients?sort=-paymentsTotal&limit=3&cursor=${first.nextCursor}`);
    const shown = [...first.items, ...second.items].map((item: any) => [item.externalId, item.visitsCount]);
    expect(shown).toEqual([
      ['1', 0],
      ['2', 0],
      ['3', 1],
      ['4', 1],
    ]);
  });

  it('are verified', async () => {
    here.declare(visits);
    await here.whileUp(mirrorAll);
    await here.query(`update patient_totals set "visits_fees" = 1, external_id = 'other' where external_id = '1'`);
    await here.query(`delete from payment_totals where "paidVisits" = 0`);

    const { code, stdout } = await here.command('mirror', 'verify');

    expect(code).toBe(1);
    expect(stdout).toContain('default patients 1: visits_fees is 1, and its children say 10.75.');
    expect(stdout).toContain('default patients 1: its totals have another external id.');
    expect(stdout).toContain('default payments b: it has no totals.');
  });
});

describe('a definition that adds totals to patients and payments', () => {
  it('counts what is there already, and the next start has nothing to do', async () => {
    here.declare(bare);
    await here.whileUp(mirrorAll);
    expect(await columns()).toEqual([{ table: 'patient_totals', columns: BUNDLED }]);
    here.declare(visits);

    const check = await here.command('resources', 'check');
    expect(check.code).toBe(0);
    expect(check.stdout).toContain('+ patients: counts visitsCount, visits_fees');
    expect(check.stdout).toContain('+ payments: counts paidVisits');
    await expect(here.start({ MIGRATIONS: 'skip' })).rejects.toThrow('  - payments: counts paidVisits');
    await here.whileUp(async (server) => expect(await totals(server)).toEqual(ALL_TOTALS));

    expect(await columns()).toEqual([
      { table: 'patient_totals', columns: [...BUNDLED, 'visitsCount', 'visits_fees'] },
      { table: 'payment_totals', columns: ['source_id', 'id', 'paidVisits'] },
    ]);
    expect(await here.command('resources', 'check')).toMatchObject({ stdout: expect.stringMatching(/^✓ /) });
    expect(await here.isConsistent()).toBe(true);
  });

  it('isolates the table that it makes by source', async () => {
    here.declare(visits);
    await here.whileUp(async () => undefined);

    expect(
      await here.query(
        `select relname, relrowsecurity and relforcerowsecurity as isolated,
                (select count(*)::int from pg_policies where tablename = relname) as policies
           from pg_class where relkind = 'r' and relname in ('patient_totals', 'payment_totals') order by 1`,
      ),
    ).toEqual([
      { relname: 'patient_totals', isolated: true, policies: 2 },
      { relname: 'payment_totals', isolated: true, policies: 2 },
    ]);
  });

  it('waits for a job that writes children and knows nothing of the totals yet', async () => {
    here.declare(bare);
    await here.whileUp(mirrorAll);
    const job = new pg.Client(here.environment['DATABASE_URL']);
    await job.connect();
    await job.query(
      `begin; insert into mirrored_visits (source_id, external_id, patient, fee, "$link_patient", created, updated)
       select source_id, 'w', external_id, 1, id, now(), now() from patient where external_id = '2'`,
    );
    here.declare(visits);

    const applied = here.command('resources', 'apply');
    await until('the command waits for the job', async () => {
      const waiting = await here.query(
        `select 1 from pg_locks where not granted and relation = 'mirrored_visits'::regclass`,
      );
      return waiting.length > 0;
    });
    await job.query('commit');
    await job.end();

    expect(await applied).toMatchObject({ code: 0 });
    expect(await here.query(`select "visitsCount"::int as visits from patient_totals where external_id = '2'`)).toEqual(
      [{ visits: 2 }],
    );
    expect(await here.isConsistent()).toBe(true);
  });

  it('that goes away keeps its totals until the files are applied, and those of payments stay', async () => {
    here.declare(visits);
    await here.whileUp(mirrorAll);
    here.remove('visits');

    await here.whileUp(async (server) => {
      expect(await server.get('/patients/1')).not.toHaveProperty('visitsCount');
      await server.mirror('/patients?deletes=apply', [aPatient('2'), aPatient('3')]);
      await server.mirror('/payments?deletes=apply', [twoPayments[1]]);
    });
    here.declare(visits);
    await here.whileUp(async (server) => {
      expect(await totals(server)).toEqual([
        ['2', '9.00', 1, 1, '7.00'],
        ['3', '0.00', 0, 0, '0.00'],
        ['b', 0],
      ]);
    });
    expect(await here.isConsistent()).toBe(true);

    here.remove('visits');
    const apply = await here.command('resources', 'apply');
    expect(apply).toMatchObject({ code: 0 });
    expect(await columns()).toEqual([{ table: 'patient_totals', columns: BUNDLED }]);
    await here.whileUp(async (server) => {
      expect((await server.get('/patients?sort=-paymentsTotal')).items).toMatchObject([
        { externalId: '2', paymentsTotal: '9.00' },
        { externalId: '3', paymentsTotal: '0.00' },
      ]);
    });
    expect(await here.isConsistent()).toBe(true);
  });
});
