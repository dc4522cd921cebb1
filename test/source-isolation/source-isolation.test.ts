import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EntityManager } from '@mikro-orm/postgresql';
import { acrossSources, withinSource } from '../../src/database/source-isolation.js';
import { WebhookEndpoint } from '../../src/webhooks/webhook-endpoint.entity.js';
import { aLine } from '../claims/biller.js';
import { MirrorTables } from '../../src/sync/tables/mirror-table.js';
import { aPayment, Sender, somePatients } from '../http/sender.js';
import { startTestServer, type TestServer, until } from '../setup/test-server.js';

/** Tables whose rows belong to no source, or are never shown to callers. */
const OF_NO_SOURCE = [
  'log_horizon',
  'mikro_orm_migrations',
  'access_key',
  'cursor_secret',
  'audit_entry',
  'audit_chain',
  'rate_limit',
  'upload_slot',
  'resource_definition',
];

/** An expression for the source of a table's rows, where it is not `source_id`. */
const SOURCE_OF: Record<string, string> = {
  source: 'id',
  snapshot_chunk: '(select source_id from snapshot where id = snapshot_id)',
  job_heartbeat: '(select source_id from sync_job where id = job_id)',
};

let server: TestServer;
let em: EntityManager;
let mine: number;
let theirs: number;
let tables: string[];

/** Sends a statement through the ORM, without any condition on the source. */
const ask = <Row = any>(sql: string) => em.fork().execute<Row[]>(sql);

const count = async (from: string) => Number((await ask(`select count(*) as n from ${from}`))[0].n);

beforeAll(async () => {
  server = await startTestServer({ DATABASE_POOL_SIZE: 4, WEBHOOK_TARGETS: 'any' });
  em = server.app.get(EntityManager);
  const senders = [new Sender(server), new Sender(server)];
  for (const from of senders) {
    await from.post('/webhooks', { url: 'https://receiver.example/' });
    const account = await (await from.post('/api/accounts/create', {}, { 'Idempotency-Key': 'account' })).json();
    await from.post(`/api/accounts/${(account as { account_number: string }).account_number}/deposit?sum=1`, '');
    await from.mirror('/patients', [...somePatients(3), { externalId: '' }], { 'Idempotency-Key': 'first' });
    await from.mirror('/payments', [aPayment()]);
    await from.mirror('/payments?dryRun=true', []);
    await from.mirror('/patients?deletes=apply', somePatients(2).toReversed());
    await from.post('/claims', [aLine()]);
    await from.mirror('/companies', [{ externalId: '1', name: 'A company', ibans: ['DE1'] }]);
    await from.mirror('/exchange-rates', [{ currency: 'EUR', eurRate: 1 }]);
    const transfer = { transactionId: '1', payerIban: 'DE1', beneficiaryIban: 'DE2', amount: 1, currency: 'EUR' };
    for (const kind of ['/sepa', '/swift']) await from.mirror(kind, [{ ...transfer, timestamp: '2018-01-01' }]);
    await from.post('/companies/1/liquidity-rules', { kind: 'balance_below', threshold: '0', currency: 'EUR' });
  }
  const ids = await server.query('select id from source where name = any($1) order by id', [
    senders.map(({ source }) => source),
  ]);
  [mine, theirs] = ids.map(({ id }) => id) as [number, number];
  await server.query(
    `with told as (
       insert into payment_notification (source_id, claim_id, net_fee)
       select mine, gen_random_uuid(), 1 from unnest($1::int[]) mine returning *)
     insert into claim_payment (source_id, id, claim_id, net_fee) select source_id, claim_id, claim_id, 1 from told`,
    [[mine, theirs]],
  );
  await server.query(
    `with pulls as (
       insert into cashflow_pull (source_id, id, base_url, dialect, rates, status, finished_at)
       select mine, gen_random_uuid(), 'http://bank.example', 'own', 'auto', 'completed', now()
         from unnest($1::int[]) mine returning *),
     jobs as (
       insert into cashflow_pull_job (source_id, pull_id, job_id, resource) select source_id, id, id, 'sepa' from pulls)
     insert into cashflow_pull_piece (source_id, pull_id, resource, seq, month, from_at, to_at, records)
     select source_id, id, 'sepa', 0, '2018-01', '', '', 0 from pulls`,
    [[mine, theirs]],
  );
  await until('the claims are paid, after which nothing moves', async () => {
    const [paid] = await server.query('select count(*)::int as n from claim_payment');
    return paid.n === 4;
  });
  const names = await server.query(
    `select oid::regclass::text as relname from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition`,
  );
  // One name has a hyphen.
  tables = names.map(({ relname }) => relname).filter((name) => !OF_NO_SOURCE.includes(name));
});

afterAll(() => server.close());

it('every table with rows of sources has row-level security, for its owner too', async () => {
  const unprotected = await server.query(
    `select relname from pg_class where oid = any($1::regclass[]) and not (relrowsecurity and relforcerowsecurity)`,
    [tables],
  );
  expect(unprotected).toEqual([]);
});

it('mirrored rows have keys that begin with the source, and no foreign keys', async () => {
  const mirrored = ['patient', 'payment'];

  const foreignKeys = await server.query(
    `select conname from pg_constraint where contype = 'f' and (conrelid = any($1::regclass[]) or confrelid = any($1::regclass[]))`,
    [mirrored],
  );
  const keys = await server.query<{ key: string }>(
    `select pg_get_constraintdef(oid) as key from pg_constraint where contype in ('p', 'u') and conrelid = any($1::regclass[])`,
    [mirrored],
  );
  expect(foreignKeys).toEqual([]);
  expect(keys.map(({ key }) => key.replace(/^.*\(/, '('))).toEqual(
    keys.map(() => expect.stringMatching(/^\(source_id, /)),
  );
  expect(keys.length).toBe(4);
});

it('sessions have a role that owns nothing and does not bypass row-level security', async () => {
  const [role] = await ask(
    `select rolname, rolsuper, rolbypassrls, rolcanlogin,
            (select count(*)::int from pg_class where relowner = r.oid and relnamespace = 'public'::regnamespace) as owned
       from pg_roles r where rolname = current_user`,
  );
  expect(role).toEqual({
    rolname: 'counterpart_app',
    rolsuper: false,
    rolbypassrls: false,
    rolcanlogin: false,
    owned: 0,
  });
});

describe('a query without a condition on the source', () => {
  it('finds the rows of its source and no others', async () => {
    for (const table of tables) {
      const key = SOURCE_OF[table] ?? 'source_id';
      const all = await server.query(
        `select count(*)::int as n, count(*) filter (where ${key} = ${mine})::int as mine from ${table}`,
      );
      const found = await withinSource(mine, () =>
        ask(`select count(*)::int as n, count(*) filter (where ${key} = ${mine})::int as mine from ${table}`),
      );
      expect({ table, ...found[0] }).toEqual({ table, n: all[0].mine, mine: all[0].mine });
      expect({ table, others: all[0].n > all[0].mine }).toEqual({ table, others: true });
    }
  });

  it('finds nothing outside of withinSource and acrossSources', async () => {
    for (const table of [...tables, 'patient_of_source'])
      expect({ table, n: await count(table) }).toEqual({ table, n: 0 });
  });

  it('changes and deletes no rows of other sources', async () => {
    await withinSource(mine, async () => {
      await ask(`update patient set first_name = 'Roy'`);
      await ask(`update sync_job set status = 'failed'`);
      await ask('delete from payment');
    });
    const [left] = await server.query(
      `select (select count(*)::int from patient where source_id = $1 and first_name = 'Roy') as renamed,
              (select count(*)::int from sync_job where source_id = $1 and status = 'failed') as failed,
              (select count(*)::int from payment where source_id = $1) as payments`,
      [theirs],
    );
    expect(left).toEqual({ renamed: 0, failed: 0, payments: 1 });
  });

  it('cannot insert rows for other sources, nor move rows to them', async () => {
    const inserted = withinSource(mine, () =>
      ask(`insert into mirror_state (source_id, resource, last_seq, applied_seq) values (${theirs}, 'sepa', 0, 0)`),
    );
    await expect(inserted).rejects.toMatchObject({ code: '42501' });
    const moved = withinSource(mine, () => ask(`update snapshot set source_id = ${theirs}`));
    await expect(moved).rejects.toMatchObject({ code: '42501' });
  });

  it('is already limited to its source by the ORM', async () => {
    const patients = server.app.get(MirrorTables).of('patients').entity;
    const found = await withinSource(mine, () => em.fork().find(patients, {}));
    expect(new Set(found.map(({ sourceId }) => sourceId))).toEqual(new Set([mine]));
    expect(await em.fork().find(patients, {})).toEqual([]);
    const [endpoint] = await acrossSources(() => em.fork().find(WebhookEndpoint, { sourceId: theirs }));
    expect(await withinSource(mine, () => em.fork().findOne(WebhookEndpoint, endpoint?.id ?? ''))).toBeNull();
  });

  it('cannot read rows through their partition, nor change logged rows', async () => {
    const [partition] = await server.query(
      `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'change'::regclass`,
    );
    for (const statement of [
      `select * from ${partition.name}`,
      `update change set before = '{}'`,
      'delete from change',
      'truncate change',
      'update mirror_commit set rows = 0',
      'drop table patient',
      'alter table patient disable row level security',
      `create table public.own ()`,
    ]) {
      await expect(withinSource(mine, () => ask(statement))).rejects.toMatchObject({ code: '42501' });
    }
  });
});

it('work across sources sees the rows of all', async () => {
  const all = await server.query('select count(*)::int as n from patient');
  expect(await acrossSources(() => count('patient'))).toBe(all[0].n);
});

it('a connection keeps neither role nor source after a statement', async () => {
  const sessions = new Set<number>();
  for (let n = 0; n < 20; n += 1) {
    await withinSource(mine, () => ask('select 1'));
    await acrossSources(() => em.fork().transactional((inside) => inside.execute('select 1')));
    await withinSource(mine, () => ask('select 1 / 0')).catch(() => undefined);
    const [seen] = await ask(`select pg_backend_pid() as pid, current_user as role,
      nullif(current_setting('counterpart.source', true), '') as source, (select count(*)::int from patient) as rows`);
    sessions.add(seen.pid);
    expect(seen).toMatchObject({ role: 'counterpart_app', source: null, rows: 0 });
  }
  expect(sessions.size).toBeLessThan(5);
});

it('many queries at once each see their own source, though they share few connections', async () => {
  const seen = await Promise.all(
    Array.from({ length: 100 }, (_, n) => {
      const source = n % 2 === 0 ? mine : theirs;
      return withinSource(source, async () => [
        source,
        (await ask('select distinct source_id from patient'))[0].source_id,
      ]);
    }),
  );
  for (const [source, found] of seen) expect(found).toBe(source);
});

it('a transaction stays within the source that it began in', async () => {
  const crossing = withinSource(mine, () =>
    em.fork().transactional((inside) => withinSource(theirs, () => inside.execute('select 1'))),
  );
  await expect(crossing).rejects.toThrow('stays within the source');
  expect(await withinSource(theirs, () => count('patient'))).toBeGreaterThan(0);
});

it('a range of totals is read by its index under source isolation', async () => {
  const plan = await withinSource(mine, () =>
    em.fork().transactional(async (inside) => {
      await inside.execute('set local enable_seqscan = off');
      return inside.execute(`explain select * from patient_of_source
        where source_id = ${mine} and payments_total >= 5 and deleted_at is null order by payments_total, external_id limit 5`);
    }),
  );
  expect(JSON.stringify(plan)).toMatch(/Index Cond: \(\(source_id = \d+\) AND \(payments_total >= /);
});
