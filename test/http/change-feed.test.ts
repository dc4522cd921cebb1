import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { FeedConsumer } from '../contract/feed-consumer.js';
import { startTestServer, type TestServer, until } from '../setup/test-server.js';
import { aPatient, aPayment, Sender, somePatients } from './sender.js';

const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

let server: TestServer;
let from: Sender;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server.close());

beforeEach(() => {
  from = new Sender(server);
});

const feed = (query = '') => from.get(`/changes?${query}`);
const keysOf = ({ items }: any) => items.map((item: any) => `${item.operation} ${item.resource} ${item.externalId}`);

describe('the feed of changes', () => {
  it('lists all changes of all resources in the order in which they were made', async () => {
    const first = await from.mirror('/payments', [aPayment({ amount: 5 })]);
    const second = await from.mirror('/patients', [aPatient({ externalId: '2' })]);
    await from.mirror('/patients', [aPatient({ externalId: '2' })]);
    const third = await from.mirror('/payments', [aPayment({ amount: 6 }), aPayment({ externalId: '9' })]);

    const { items } = await feed();

    const payment = (externalId: string, job: { id: string }) => {
      return { resource: 'payments', externalId, at: INSTANT, jobId: job.id };
    };
    expect(items).toEqual([
      { ...payment('1', first), operation: 'created', before: null, after: { patientId: '1', amount: '5.00' } },
      {
        resource: 'patients',
        externalId: '2',
        operation: 'created',
        at: INSTANT,
        jobId: second.id,
        before: null,
        after: { firstName: 'Rick', lastName: 'Deckard', middleName: null, dateOfBirth: null },
      },
      {
        ...payment('1', third),
        operation: 'updated',
        before: { patientId: '1', amount: '5.00' },
        after: { patientId: '1', amount: '6.00' },
      },
      { ...payment('9', third), operation: 'created', before: null, after: { patientId: '1', amount: '1.00' } },
    ]);
  });

  it('shows a row as it was after each change, not as it is now', async () => {
    for (const firstName of ['Rick', 'Roy', 'Pris']) await from.mirror('/patients', [aPatient({ firstName })]);

    const { items } = await feed();

    expect(items.map(({ after }: any) => after.firstName)).toEqual(['Rick', 'Roy', 'Pris']);
  });

  it('continues at the cursor, also when that was the end', async () => {
    await from.mirror('/patients', somePatients(2));
    const first = await feed();
    const nothing = await feed(`after=${first.nextCursor}`);
    await from.mirror('/patients', somePatients(3));

    expect(nothing).toEqual({ items: [], nextCursor: first.nextCursor });
    expect(keysOf(await feed(`after=${first.nextCursor}`))).toEqual(['created patients 3']);
  });

  it('may start before there are any changes', async () => {
    const { items, nextCursor } = await feed();
    await from.mirror('/patients', somePatients(2));

    expect(items).toEqual([]);
    expect(keysOf(await feed(`after=${nextCursor}`))).toEqual(['created patients 1', 'created patients 2']);
  });

  it('may start at the present', async () => {
    await from.mirror('/patients', somePatients(2));
    const { items, nextCursor } = await feed('after=latest');
    await from.mirror('/patients', somePatients(3));

    expect(items).toEqual([]);
    expect(keysOf(await feed(`after=${nextCursor}`))).toEqual(['created patients 3']);
  });

  it.each([1, 2, 3, 4, 5, 11, 12, 1000])('is the same in pages of %i', async (limit) => {
    await from.mirror('/patients', somePatients(5));
    await from.mirror('/payments', [aPayment()]);
    await from.mirror('/patients', somePatients(2));
    await from.mirror('/patients', somePatients(4));
    const whole = await feed('limit=1000');

    const seen: unknown[] = [];
    let path = `/changes?limit=${limit}`;
    for (let page = 0; page < 20; page++) {
      const response = await from.fetch(path);
      const { items, nextCursor }: any = await response.json();
      seen.push(...items);
      const link = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
      // A Link says that there are more changes already.
      expect(link === undefined).toBe(seen.length === whole.items.length);
      path = link ?? `/changes?limit=${limit}&cursor=${nextCursor}`;
    }

    expect(whole.items).toHaveLength(11);
    expect(seen).toEqual(whole.items);
  });

  it('can be limited to one resource, with cursors of its own', async () => {
    await from.mirror('/patients', somePatients(1));
    await from.mirror('/payments', [aPayment()]);
    const patients = await feed('resource=patients');
    await from.mirror('/payments', [aPayment({ externalId: '2' })]);

    expect(keysOf(patients)).toEqual(['created patients 1']);
    expect(keysOf(await feed('resource=payments'))).toEqual([
      'created payments 1',
      'deleted payments 1',
      'created payments 2',
    ]);
    expect((await feed(`resource=patients&after=${patients.nextCursor}`)).items).toEqual([]);
    expect((await from.fetch(`/changes?after=${patients.nextCursor}`)).status).toBe(400);
  });

  it('holds the changes of one source only, and its cursors are valid for that source only', async () => {
    await from.mirror('/patients', somePatients(2));
    const { nextCursor } = await feed();
    const other = new Sender(server);

    expect((await other.get('/changes')).items).toEqual([]);
    expect((await other.fetch(`/changes?after=${nextCursor}`)).status).toBe(400);
  });

  it.each(['after=nonsense', 'after=', 'cursor=x', 'after=latest&cursor=x', 'resource=nonsense', 'limit=0', 'foo=1'])(
    'refuses %s',
    async (query) => {
      const response = await from.fetch(`/changes?${query}`);

      expect(response.status).toBe(400);
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    },
  );

  it('continues after a commit whose rows were deleted by hand', async () => {
    await from.mirror('/patients', somePatients(3));
    await from.mirror('/patients', somePatients(4));
    await server.query(
      `delete from patient where external_id <> '4' and source_id = (select id from source where name = $1)`,
      [from.source],
    );

    expect(keysOf(await feed('limit=2'))).toEqual(['created patients 4']);
  });

  it('accepts cursor as another name of after', async () => {
    await from.mirror('/patients', somePatients(3));
    const { nextCursor } = await feed('limit=1');

    expect(keysOf(await feed(`cursor=${nextCursor}`))).toEqual(['created patients 2', 'created patients 3']);
    expect(keysOf(await feed(`cursor=${nextCursor}&after=${nextCursor}`))).toHaveLength(2);
    expect((await feed('cursor=latest')).items).toEqual([]);
  });
});

describe('a caller that waits for changes', () => {
  it('is answered as soon as there is a change', async () => {
    const { nextCursor } = await feed();
    const answer = from.get(`/changes?after=${nextCursor}`, { Prefer: 'wait=30' });
    const begun = Date.now();

    await from.mirror('/patients', somePatients(1));

    expect(keysOf(await answer)).toEqual(['created patients 1']);
    expect(Date.now() - begun).toBeLessThan(25_000);
  });

  it('is answered at once if there is a change already', async () => {
    await from.mirror('/patients', somePatients(1));
    const begun = Date.now();

    const response = await from.fetch('/changes', { headers: { Prefer: 'wait=30' } });

    expect(keysOf(await response.json())).toEqual(['created patients 1']);
    expect(response.headers.get('preference-applied')).toBe('wait=30');
    expect(Date.now() - begun).toBeLessThan(25_000);
  });

  it('gets an empty page with the same cursor when the time is up, whatever changed in other resources', async () => {
    await from.mirror('/patients', somePatients(1));
    const { nextCursor } = await feed('resource=patients');
    const answer = from.get(`/changes?resource=patients&after=${nextCursor}`, { Prefer: 'wait=1' });

    await from.mirror('/payments', [aPayment()]);

    expect((await answer).items).toEqual([]);
  });
});

describe('a commit that takes long', () => {
  /**
   * Runs `work` while another worker's transaction has its number but has not ended, and then ends that transaction.
   */
  async function during(end: 'commit' | 'rollback', work: () => Promise<unknown>): Promise<void> {
    const client = new pg.Client(server.databaseUrl);
    await client.connect();
    try {
      await client.query('begin');
      await client.query(RENAME_PATIENT, [from.source]);
      await work();
      await client.query(end);
    } finally {
      await client.end();
    }
  }

  it('makes later commits wait, so that no reader skips it', async () => {
    await from.mirror('/patients', somePatients(1));
    const consumer = new FeedConsumer(server, from.source);
    await consumer.readToTheEnd();
    let job: any;

    await during('commit', async () => {
      // It changes no patient that the other transaction changes, so it waits for the number only.
      job = await (await from.post('/payments', [aPayment({ patientId: '9' })])).json();
      await until('the job waits for its number', async () => {
        const waiting = await server.query(
          `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
              and query like '%last_commit + 1%'`,
        );
        return waiting.length > 0;
      });
      await consumer.readToTheEnd();
      expect(consumer.itemsSeen).toBe(1);
    });

    expect(await from.settled(job.id)).toMatchObject({ status: 'completed' });
    await consumer.readToTheEnd();
    expect(keysOf(await feed())).toEqual(['created patients 1', 'updated patients 1', 'created payments 1']);
    await consumer.expectToEqualTheMirror();
  });

  it('leaves no gap if it is rolled back', async () => {
    await from.mirror('/patients', somePatients(1));

    await during('rollback', async () => undefined);
    await from.mirror('/patients', somePatients(2));

    const numbers = await server.query(
      'select seq::int from mirror_commit join source on source.id = source_id where name = $1 order by seq',
      [from.source],
    );
    expect(numbers).toEqual([{ seq: 1 }, { seq: 2 }]);
    expect(keysOf(await feed())).toEqual(['created patients 1', 'created patients 2']);
  });
});

it('holds what was committed before commits were numbered, ordered by time', async () => {
  const old = await startTestServer();
  const sender = new Sender(old);
  await sender.mirror('/payments', [aPayment()]);
  await sender.mirror('/patients', somePatients(2));
  await sender.mirror('/patients', somePatients(2).toReversed());
  await sender.mirror('/patients?dryRun=true', somePatients(9));
  await sender.mirror('/patients', somePatients(1));
  const before = await sender.get('/changes');
  await old.close();
  await old.query(WITHOUT_WALLS);
  await old.query(`
    drop table mirror_commit, log_horizon;
    drop index sync_job_applied;
    alter table source drop column last_commit;
    delete from mikro_orm_migrations where name = 'Migration20261121Changes'`);

  const upgraded = await startTestServer({ databaseUrl: old.databaseUrl });

  try {
    const again = new Sender(upgraded, sender.source);
    expect(before.items).toHaveLength(4);
    expect(await again.get('/changes')).toEqual(before);
    await again.mirror('/patients', somePatients(3));
    const { items } = await again.get(`/changes?after=${before.nextCursor}`);
    expect(keysOf({ items })).toEqual(['restored patients 2', 'created patients 3']);
  } finally {
    await upgraded.close();
  }
});

/** Reverts the later migration of source isolation. */
const WITHOUT_WALLS = `
  do $$ declare wall record; begin
    for wall in select tablename, policyname from pg_policies where schemaname = 'public' loop
      execute format('drop policy %I on %I', wall.policyname, wall.tablename);
      execute format('alter table %I disable row level security', wall.tablename);
    end loop;
  end $$;
  drop view patient_of_source;
  drop function ensure_log_partitions, drop_log_partition;
  alter table sync_error drop column source_id;
  delete from mikro_orm_migrations where name = 'Migration20261121Walls'`;

/** Does what the engine does for a job that renames patient 1 of the source: the log, the row, and the number last. */
const RENAME_PATIENT = `
  with last as (
    select job.* from sync_job job join source on source.id = job.source_id
     where source.name = $1 and applied_at is not null order by seq desc limit 1
  ), job as (
    insert into sync_job
    select (jsonb_populate_record(null::sync_job, to_jsonb(last) || jsonb_build_object(
             'id', gen_random_uuid(), 'seq', seq + 1000, 'created_after_id', created_up_to_id,
             'applied_at', date_trunc('milliseconds', clock_timestamp())))).* from last
    returning *
  ), logged as (
    insert into change
    select p.source_id, 'patients', job.applied_at, job.id, p.id, p.external_id, 'updated',
           jsonb_build_object('firstName', first_name, 'lastName', last_name, 'middleName', middle_name,
                              'dateOfBirth', date_of_birth)
      from patient p, job where p.source_id = job.source_id and p.external_id = '1'
  ), renamed as (
    update patient p set first_name = 'Roy', updated = job.applied_at from job
     where p.source_id = job.source_id and p.external_id = '1'
  ), numbered as (
    update source set last_commit = last_commit + 1 where name = $1 returning last_commit)
  insert into mirror_commit (source_id, seq, resource, job_id, at, rows)
  select source_id, last_commit, 'patients', id, applied_at, 1 from job, numbered`;
