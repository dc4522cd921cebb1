import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import { backendsOr, startTestServer, type TestServer, until } from '../setup/test-server.js';
import { aPatient, aPayment, Sender, somePatients } from './sender.js';

/** Random text, which zstd cannot compress much. */
const NOISE = Array.from({ length: 60_000 }, () => Math.random().toString(36).slice(2, 12)).join('');

/** Some 400 kB as stored. */
function bulky(externalId = '1') {
  return [{ ...aPatient({ externalId }), noise: NOISE + externalId }];
}

describe('the storage limit of a source', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ MAX_STORED_BYTES: 1_000_000 });
  });

  afterAll(() => server.close());

  it('is kept by deleting the oldest bytes that are no longer needed', async () => {
    const from = new Sender(server);
    const jobs = [];
    for (const n of [1, 2, 3, 4, 5]) jobs.push(await from.mirror('/patients', bulky(String(n))));

    const kept = await Promise.all(jobs.map(({ id }) => from.fetch(`/sync/jobs/${id}/snapshot`)));

    expect(kept.map(({ status }) => status)).toEqual([410, 410, 200, 200, 200]);
    expect((await from.decide(jobs[0]?.id ?? '', 'replay')).status).toBe(410);
    const other = new Sender(server);
    expect((await other.fetch(`/sync/jobs/${(await other.mirror('/patients', bulky())).id}/snapshot`)).status).toBe(
      200,
    );
  });

  it('is a 507 while waiting jobs use it up', async () => {
    const from = new Sender(server);
    const held = await from.mirror('/patients?deletes=apply', [aPatient({ externalId: 'x' })]);
    expect(held.status).toBe('completed');
    const waiting = await from.mirror('/patients?deletes=hold', bulky());
    expect(waiting.status).toBe('awaiting_approval');
    for (const n of [2, 3, 4]) await from.post('/patients?mode=partial', bulky(String(n)));

    const refused = await from.post('/patients?mode=partial', bulky('5'));

    expect(refused.status).toBe(507);
    expect(refused.headers.get('retry-after')).toBe('60');
    expect(await refused.json()).toMatchObject({ code: 'storage_limit_reached', title: 'Insufficient Storage' });
    await from.decide(waiting.id, 'approve');
    await until('the jobs are done', async () => (await from.jobs()).every(({ status }) => status === 'completed'));
    expect((await from.post('/patients?mode=partial', bulky('5'))).status).toBe(202);
  });
});

describe('a database with a full disk', () => {
  let server: TestServer;
  let from: Sender;

  beforeAll(async () => {
    server = await startTestServer();
    from = new Sender(server);
    // PostgreSQL's error when a file cannot grow.
    await server.query(`
      create function no_room() returns trigger language plpgsql as $$ begin raise sqlstate '53100'; end $$;
      create trigger no_room before insert on snapshot_chunk for each row when (new.ordinal > 1) execute function no_room()`);
  });

  afterAll(() => server.close());

  it('answers an upload with 507 and stores nothing of it', async () => {
    const large = Array.from({ length: 12 }, (_, n) => bulky(String(n))[0]);

    const response = await from.post('/patients', large, { 'Idempotency-Key': 'large' });

    expect(response.status).toBe(507);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await response.json()).toMatchObject({ code: 'disk_full', status: 507 });
    expect(await from.storedSnapshots()).toBe(0);
    expect(await from.jobs()).toEqual([]);
    await server.query('drop trigger no_room on snapshot_chunk');
    expect(await from.mirror('/patients', large, { 'Idempotency-Key': 'large' })).toMatchObject({
      status: 'completed',
    });
  });
});

describe('a query that takes too long', () => {
  it('is a 503, also while it waits for a lock, and the next one is answered', async () => {
    const server = await startTestServer({ STATEMENT_TIMEOUT_SECONDS: 1 });
    const from = new Sender(server);
    await from.mirror('/patients', [aPatient()]);
    const locks = new pg.Client(server.databaseUrl);
    await locks.connect();
    await locks.query('begin; lock table patient in access exclusive mode');

    const late = await from.fetch('/patients');

    expect(late.status).toBe(503);
    expect(late.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await late.json()).toMatchObject({ code: 'query_timeout', detail: expect.stringContaining('took longer') });
    await locks.end();
    expect(await from.patientIds()).toEqual(['1']);
    const [session] = await server.app
      .get(MikroORM)
      .em.fork()
      .execute(
        `select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
              current_setting('idle_in_transaction_session_timeout') as idle`,
      );
    expect(session).toEqual({ statement: '1s', lock: '1s', idle: '30s' });
    await server.close();
  });
});

describe('a source that PostgreSQL’s statistics do not know', () => {
  it('is reconciled as fast as any other, though its payments came before their patients', async () => {
    const server = await startTestServer();
    const [known, unknown] = [new Sender(server), new Sender(server)];
    await server.query('alter table patient set (autovacuum_enabled = false)');
    await server.query('alter table payment set (autovacuum_enabled = false)');
    await known.mirror('/patients', somePatients(5_000));
    await known.mirror(
      '/payments',
      somePatients(5_000).map((_, n) => aPayment({ externalId: `${n}` })),
    );
    await server.query('analyze');
    const numbers = Array.from({ length: 40_000 }, (_, n) => String(n));
    await unknown.mirror(
      '/payments',
      numbers.map((n) => aPayment({ externalId: n, patientId: n })),
    );

    // When each child was looked up among all parents this took minutes; `mirror` waits for half a minute.
    const patients = await unknown.mirror(
      '/patients',
      numbers.map((n) => aPatient({ externalId: n })),
    );
    const rejected = await unknown.mirror(
      '/patients?mode=partial',
      numbers.map((n) => aPatient({ externalId: n, lastName: '' })),
    );

    expect(patients).toMatchObject({ status: 'completed', counts: { created: 40_000 } });
    expect(rejected).toMatchObject({ status: 'completed', counts: { rejected: 40_000, retained: 40_000 } });
    expect((await unknown.get('/payments?limit=1')).items).toHaveLength(1);
    await server.close();
  }, 90_000);
});

describe('a job whose bytes are gone', () => {
  it('fails at once with the reason', async () => {
    const server = await startTestServer();
    const from = new Sender(server);
    const done = await from.mirror('/patients', somePatients(2));
    await server.query('create table lost as select * from snapshot_chunk; delete from snapshot_chunk');

    const replayed = await (await from.decide(done.id, 'replay')).json();

    const job = await from.settled((replayed as { id: string }).id);
    expect(job).toMatchObject({ status: 'failed', error: { code: 'snapshot_gone', line: null } });
    expect(await from.patientIds()).toEqual(['1', '2']);
    await server.close();
  });
});

describe.each(backendsOr('redis'))('a long job on the %s queue', (backend) => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ backend, WORKER_CONCURRENCY: 2, SHORT_JOB_BYTES: 1024 ** 2 });
  });

  afterAll(() => server.close());

  it('delays no other source and no unlinked resource, even when all slots for long jobs are taken', async () => {
    const [long, another, small] = [new Sender(server), new Sender(server), new Sender(server)];
    await long.mirror('/patients', [aPatient()]);
    const locks = new pg.Client(server.databaseUrl);
    await locks.connect();
    await locks.query(
      `select pg_advisory_lock(hashtextextended('counterpart:' || id || ':payments', 0)) from source where name = $1`,
      [long.source],
    );
    const big = Array.from({ length: 80_000 }, (_, n) => aPayment({ externalId: `payment number ${n}` }));
    const first = await (await long.post('/payments', big)).json();
    const second = await (await another.post('/payments', big)).json();
    await until('the long job runs', async () => (await statusOf(long, first)) !== 'queued');

    const jobs = [];
    for (let n = 0; n < 5; n++)
      jobs.push(await small.mirror('/patients?mode=partial', [aPatient({ firstName: `${n}` })]));
    jobs.push(await small.mirror('/payments', [aPayment()]));

    expect(jobs.map(({ status }) => status)).toEqual(Array(6).fill('completed'));
    expect(await statusOf(long, first)).not.toBe('completed');
    await locks.end();
    expect(await long.settled((first as { id: string }).id)).toMatchObject({ counts: { created: 80_000 } });
    expect(await another.settled((second as { id: string }).id)).toMatchObject({ counts: { created: 80_000 } });
  }, 90_000);

  async function statusOf(from: Sender, job: unknown): Promise<string> {
    return (await from.get(`/sync/jobs/${(job as { id: string }).id}`)).status;
  }
});

describe.each(backendsOr('postgresql'))(
  'jobs on the %s queue whose linked rows are being changed for long',
  (backend) => {
    let server: TestServer;
    let locks: pg.Client;

    beforeAll(async () => {
      server = await startTestServer({ backend, WORKER_CONCURRENCY: 4 });
    });

    beforeEach(async () => {
      locks = new pg.Client(server.databaseUrl);
      await locks.connect();
    });

    afterEach(() => locks.end());

    afterAll(() => server.close());

    it.each([
      ['other bytes', somePatients(3)],
      ['the same bytes', somePatients(2)],
    ])('keep no slot, can be cancelled at once, and are done afterwards: %s', async (_, sent) => {
      const waiting = await Promise.all(Array.from({ length: 4 }, () => withLockedPayments()));
      const jobs = await Promise.all(
        waiting.map(async (from) => ({
          from,
          id: ((await (await from.post('/patients', sent)).json()) as JobView).id,
        })),
      );
      await until('each was tried', async () => (await Promise.all(jobs.map(hasStarted))).every(Boolean));

      const other = new Sender(server);
      const small = await other.mirror('/patients', somePatients(1), { Prefer: 'wait=10' });
      const asked = Date.now();
      const cancelled = await jobs[0]?.from.decide(jobs[0].id, 'cancel');

      expect(small).toMatchObject({ status: 'completed' });
      expect(cancelled?.status).toBe(200);
      expect(Date.now() - asked).toBeLessThan(8_000);
      await locks.query('select pg_advisory_unlock_all()');
      for (const { from, id } of jobs.slice(1)) {
        expect(await from.settled(id)).toMatchObject({ status: 'completed', counts: { received: sent.length } });
        const [row] = await server.query('select attempts from sync_job where id = $1', [id]);
        expect(row).toEqual({ attempts: 1 });
      }
    });

    /** A source whose payments are being changed for a long time. */
    async function withLockedPayments(): Promise<Sender> {
      const from = new Sender(server);
      await from.mirror('/patients', somePatients(2));
      await locks.query(
        `select pg_advisory_lock(hashtextextended('counterpart:' || id || ':payments', 0)) from source where name = $1`,
        [from.source],
      );
      return from;
    }

    async function hasStarted({ from, id }: { from: Sender; id: string }): Promise<boolean> {
      return (await from.get(`/sync/jobs/${id}`)).startedAt !== null;
    }
  },
);
