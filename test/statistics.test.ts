import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { ORDERS, PatientPage } from '../src/patients/patient-page.js';
import { literal } from '../src/database/database.js';
import { MirrorTables } from '../src/sync/tables/mirror-table.js';
import { aPayment, Sender, somePatients } from './http/sender.js';
import { startTestServer, type TestServer } from './setup/test-server.js';

let server: TestServer;
let from: Sender;

beforeAll(async () => {
  server = await startTestServer();
  from = new Sender(server);
  // What the planner knows is what jobs have left.
  for (const table of ['patient', 'patient_totals', 'payment']) {
    await server.query(`alter table ${table} set (autovacuum_enabled = false)`);
  }
});

afterAll(() => server.close());

const somePayments = (count: number, patients: number) =>
  Array.from({ length: count }, (_, n) =>
    aPayment({ externalId: `${n}`, patientId: `${n % patients}`, amount: `${n}.50` }),
  );

/** How many rows the planner believes a table to have, and of which sources. */
async function known(table: string): Promise<{ rows: number; sources: string | null }> {
  const [row] = await server.query(
    `select c.reltuples as rows, (select s.most_common_vals::text from pg_stats s
       where s.tablename = c.relname and s.attname = 'source_id') as sources
       from pg_class c where c.oid = $1::regclass`,
    [table],
  );
  return row;
}

/** Changes with every ANALYZE of the table. */
async function lastAnalyze(table: string): Promise<string> {
  const [row] = await server.query(
    'select max(xmin::text::bigint)::text as xmin from pg_statistic where starelid = $1::regclass',
    [table],
  );
  return row.xmin;
}

it('a job that fills an empty mirror leaves its statistics, also those of the totals that it has moved', async () => {
  await from.mirror('/patients', somePatients(1_500));
  expect(await known('patient')).toEqual({ rows: 1_500, sources: '{1}' });
  expect(await known('patient_totals')).toEqual({ rows: 1_500, sources: '{1}' });

  await from.mirror('/payments', somePayments(12_000, 1_500));

  expect(await known('payment')).toEqual({ rows: 12_000, sources: '{1}' });
  const [totals] = await server.query(
    `select n_distinct from pg_stats where tablename = 'patient_totals' and attname = 'payments_total'`,
  );
  // -1: as many values as rows. Before, all of them were 0.
  expect(totals.n_distinct).toBeLessThan(-0.9);
});

it.each([
  ['first', null],
  ['later', { asOf: '1', key: '70000', externalId: '5' }],
])(
  'the %s page of patients by total right after a first load is read along the index of the totals',
  async (_, end) => {
    const mirror = server.app.get(MirrorTables).of('patients');
    const filter = { paymentMin: '10000', paymentMax: '90000', sort: '-paymentsTotal' as const, limit: 50 };
    const { sql, values } = new PatientPage(mirror, 1, filter, ORDERS[filter.sort], end).statement();
    const client = new pg.Client(server.databaseUrl);
    await client.connect();
    await client.query(`begin; set local role counterpart_app; set local counterpart.source = '1'`);

    const { rows } = await client.query(`explain ${sql.replaceAll('?', () => literal(String(values.shift())))}`);
    await client.end();

    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('Index Scan Backward using patient_totals_in_order');
    expect(plan).toMatch(/Index Cond: \(\(source_id = \d+\) AND \(payments_total >= /);
    expect(plan).not.toContain('Seq Scan on patient');
  },
);

it('a job that changes little analyzes nothing', async () => {
  const before = [await lastAnalyze('patient_totals'), await lastAnalyze('payment'), await lastAnalyze('patient')];
  const changed = somePayments(1_100, 1_500).map((payment) => ({ ...payment, amount: '7' }));

  const job = await from.mirror('/payments?mode=partial', changed);

  expect(job.counts).toMatchObject({ updated: 1_100 });
  // 1,100 of 12,000 payments are few, but their patients are most of the 1,500, whose totals have moved.
  expect(await lastAnalyze('payment')).toBe(before[1]);
  expect(await lastAnalyze('patient')).toBe(before[2]);
  expect(await lastAnalyze('patient_totals')).not.toBe(before[0]);
});

it('the first load of another source makes it known, however small it is beside the others', async () => {
  const headers = { 'X-Source': 'other' };
  await server.mirror('/payments', somePayments(1_100, 100), headers);
  expect((await known('payment')).sources).toBe('{1,2}');
});

it('a job completes without statistics where somebody else analyzes the same table for long', async () => {
  const other = new pg.Client(server.databaseUrl);
  await other.connect();
  await other.query('begin; lock table payment in share update exclusive mode');
  const before = await lastAnalyze('payment');

  const job = await from.mirror('/payments', somePayments(6_000, 1_500), { Prefer: 'wait=30' });

  expect(job).toMatchObject({ status: 'awaiting_approval' });
  const approved = await from.decide(job.id, 'approve', { Prefer: 'wait=30' });
  expect(await approved.json()).toMatchObject({ status: 'completed', counts: { deleted: 6_000 } });
  expect(await lastAnalyze('payment')).toBe(before);
  await other.end();
});
