import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { partsOf, signed } from '../setup/cursors.js';
import { startTestServer, type TestServer, until } from '../setup/test-server.js';
import { Cleaner } from '../../src/sync/cleaner.js';
import { aPatient, aPayment, Sender, somePatients } from './sender.js';

/** Longer than every retention: the longest is 400 days. */
const LONG_AGO = 20;

let server: TestServer;
let from: Sender;

beforeEach(async () => {
  server = await startTestServer();
  from = new Sender(server);
});

afterEach(() => server.close());

const clean = () => server.app.get(Cleaner).clean();

/** The months for which a log has partitions, oldest first. */
async function monthsOf(log: string): Promise<string[]> {
  const rows = await server.query(
    `select right(inhrelid::regclass::text, 7) as month from pg_inherits where inhparent = '${log}'::regclass order by 1`,
  );
  return rows.map(({ month }) => month);
}

/** Moves everything that a source has done so far that many months into the past. */
async function makeOlder(months: number, source = from.source): Promise<void> {
  const earlier = (column: string) => `${column} = ${column} - make_interval(months => ${months})`;
  const own = `source_id = (select id from source where name = '${source}')`;
  await server.query(`
    do $$ declare parent text; first timestamptz; begin
      foreach parent in array array['sync_error', 'change', 'total_change'] loop
        for month in ${months - 1}..${months + 1} loop
          first := (date_trunc('month', now() at time zone 'UTC') - make_interval(months => month)) at time zone 'UTC';
          execute format('create table if not exists %I partition of %I for values from (%L) to (%L)',
            parent || to_char(first at time zone 'UTC', '_YYYY_MM'), parent, first, first + interval '1 month');
        end loop;
      end loop;
    end $$;
    update sync_error set ${earlier('at')} where job_id in (select id from sync_job where ${own});
    update change set ${earlier('at')} where ${own};
    update total_change set ${earlier('at')} where ${own};
    update mirror_commit set ${earlier('at')} where ${own};
    update mirror_state set ${earlier('applied_at')} where ${own};
    update sync_job set ${earlier('submitted_at')}, ${earlier('applied_at')} where ${own};
    update patient set ${earlier('created')}, ${earlier('updated')}, ${earlier('deleted_at')} where ${own};
    update payment set ${earlier('created')}, ${earlier('updated')}, ${earlier('deleted_at')} where ${own}`);
}

async function expectGone(path: string, code: string, headers: Record<string, string> = {}): Promise<void> {
  const response = await from.fetch(path, { headers });
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect({ path, status: response.status, ...((await response.json()) as any) }).toMatchObject({
    path,
    status: 410,
    code,
  });
}

describe('changes that are past their retention', () => {
  it('are no longer listed by jobs, while later ones still are', async () => {
    const old = [
      await from.mirror('/patients', somePatients(2)),
      await from.mirror('/patients', somePatients(3)),
      await from.mirror('/patients', somePatients(3).toReversed()),
    ];
    await makeOlder(LONG_AGO);
    const young = await from.mirror('/patients', somePatients(2));

    await clean();

    for (const job of old.slice(0, 2)) {
      await expectGone(`/sync/jobs/${job.id}/changes`, 'changes_gone');
      await expectGone(`/sync/jobs/${job.id}/changes`, 'changes_gone', { Accept: 'text/csv' });
    }
    // This job changed nothing, so its empty list stays correct.
    expect((await from.get(`/sync/jobs/${old[2]?.id}/changes`)).items).toEqual([]);
    expect((await from.get(`/sync/jobs/${young.id}/changes`)).items).toMatchObject([
      { externalId: '3', operation: 'deleted' },
    ]);
  });

  it('are left out of histories', async () => {
    await from.mirror('/patients', somePatients(2));
    await makeOlder(LONG_AGO);
    await from.mirror('/patients', [aPatient({ firstName: 'Roy' }), aPatient({ externalId: '2' })]);

    await clean();

    const { items } = await from.get('/patients/1/history');
    expect(items).toMatchObject([{ operation: 'updated', before: { firstName: 'Rick' }, after: { firstName: 'Roy' } }]);
    expect(await from.get('/patients/2/history')).toEqual({ items: [], nextCursor: null });
    expect((await from.fetch('/patients/3/history')).status).toBe(404);
  });

  it('are left out of the feed, which refuses cursors to them', async () => {
    const before = (await from.get('/changes')).nextCursor;
    await from.mirror('/patients', somePatients(2));
    const amid = (await from.get('/changes?limit=1')).nextCursor;
    const behind = (await from.get('/changes')).nextCursor;
    await makeOlder(LONG_AGO);
    await from.mirror('/patients', somePatients(3));

    await clean();

    await expectGone(`/changes?after=${before}`, 'changes_gone');
    await expectGone(`/changes?after=${amid}`, 'changes_gone');
    for (const query of ['', `after=${behind}`]) {
      expect((await from.get(`/changes?${query}`)).items).toMatchObject([{ operation: 'created', externalId: '3' }]);
    }
    expect((await from.get('/changes?after=latest')).items).toEqual([]);
  });

  it('fail a revert that was accepted before they were dropped', async () => {
    await from.mirror('/patients', somePatients(3));
    const old = await from.mirror('/patients', somePatients(2));
    await makeOlder(LONG_AGO);
    const held = await from.mirror('/patients?deletes=hold', somePatients(1));
    const revert = await from.decide(old.id, 'revert');
    expect(revert.status).toBe(202);
    const { id } = (await revert.json()) as { id: string };

    await clean();
    await from.decide(held.id, 'reject');

    expect(await from.settled(id)).toMatchObject({ status: 'failed', error: { code: 'changes_gone' } });
    expect(await from.patientIds()).toEqual(['1', '2']);
  });

  it('leave the feed of a source without later changes empty', async () => {
    await from.mirror('/patients', somePatients(2));
    const present = (await from.get('/changes')).nextCursor;
    await makeOlder(LONG_AGO);

    await clean();

    expect(await from.get('/changes')).toEqual({ items: [], nextCursor: present });
    await from.mirror('/patients', somePatients(3));
    expect((await from.get(`/changes?after=${present}`)).items).toHaveLength(1);
  });

  it('remove from the feed what was numbered before them, so that it has no gap', async () => {
    await from.mirror('/patients', somePatients(1));
    await from.mirror('/payments', [aPayment()]);
    await from.mirror('/patients', somePatients(2));
    await makeOlder(LONG_AGO);
    // A commit may have a lower number but a later time than another one of an unlinked resource.
    await server.query('update mirror_commit set at = now() where seq in (1, 3)');

    await clean();

    expect(await server.query('select seq::int from mirror_commit')).toEqual([{ seq: 3 }]);
  });

  it('also invalidate a cursor from before the feed was reset', async () => {
    await from.mirror('/patients', somePatients(1));
    await from.mirror('/patients', somePatients(2));
    const { nextCursor } = await from.get('/changes');

    await server.query(`delete from mirror_commit where seq = 2; update source set last_commit = 1`);

    await expectGone(`/changes?after=${nextCursor}`, 'changes_gone');
  });
});

describe('errors that are past their retention', () => {
  it('are no longer listed, and are reported again when the same bytes are sent again', async () => {
    const body = [aPatient(), { externalId: '2' }];
    const old = await from.mirror('/patients', body);
    const flawless = await from.mirror('/payments', [aPayment()]);
    await makeOlder(LONG_AGO);

    await clean();

    await expectGone(`/sync/jobs/${old.id}/errors`, 'errors_gone');
    await expectGone(`/sync/jobs/${old.id}/errors`, 'errors_gone', { Accept: 'application/x-ndjson' });
    expect((await from.get(`/sync/jobs/${flawless.id}/errors`)).items).toEqual([]);
    const again = await from.mirror('/patients', body);
    expect(again.counts).toMatchObject({ received: 2, unchanged: 1, rejected: 1 });
    expect((await from.get(`/sync/jobs/${again.id}/errors`)).items).toMatchObject([{ index: 1, externalId: '2' }]);
  });

  it('are kept for a job that still waits for approval', async () => {
    await from.mirror('/patients', somePatients(3));
    const held = await from.mirror('/patients?deletes=hold', [aPatient(), { externalId: 'x' }]);
    await makeOlder(LONG_AGO);

    await clean();

    expect((await from.get(`/sync/jobs/${held.id}/errors`)).items).toMatchObject([{ index: 1 }]);
    expect((await from.decide(held.id, 'approve')).status).toBe(200);
    expect(await from.settled(held.id)).toMatchObject({ status: 'completed', counts: { deleted: 2, rejected: 1 } });
  });
});

describe('a revert whose rows cannot be looked at in time', () => {
  it('is accepted, and looks at them at its turn', async () => {
    await from.mirror('/patients', somePatients(3));
    const job = await from.mirror('/patients', somePatients(2));
    const other = new pg.Client(server.databaseUrl);
    await other.connect();
    await other.query('begin; lock table change in access exclusive mode');

    const revert = await from.decide(job.id, 'revert');

    expect(revert.status).toBe(202);
    const { id } = (await revert.json()) as { id: string };
    await other.end();
    expect(await from.settled(id)).toMatchObject({ status: 'completed', counts: { created: 1 } });
  }, 60_000);
});

describe('kept bytes that are purged while they are replayed', () => {
  let other: pg.Client;

  beforeEach(async () => {
    other = new pg.Client(server.databaseUrl);
    await other.connect();
    // From the first purged snapshot on a purge waits, as a slow one would.
    await server.query(`
      create function wait() returns trigger language plpgsql as $$
        begin perform pg_advisory_xact_lock_shared(1); return new; end $$;
      create trigger wait before update on snapshot for each row
        when (new.purged_at is not null) execute function wait()`);
  });

  afterEach(() => other.end());

  it.each(['cleaner', 'storage limit'] as const)('are either gone or replayed: %s', async (purge) => {
    const jobs = [];
    for (const n of [1, 2, 3]) jobs.push(await from.mirror('/patients', somePatients(n)));
    await server.query(`update snapshot set touched_at = now() - interval '100 days', stored_bytes = 1e12`);
    // Replays stay unfinished.
    await other.query(`select pg_advisory_lock(1),
      pg_advisory_lock(hashtextextended('counterpart:' || id || ':patients', 0)) from source where name = '${from.source}'`);
    const purged = purge === 'cleaner' ? clean() : from.post('/patients', somePatients(4));
    await until('the purge waits', async () => {
      const [row] = await server.query(
        `select count(*)::int as waiting from pg_locks where locktype = 'advisory' and objid = 1 and not granted`,
      );
      return row.waiting > 0;
    });

    const replays = jobs.map(({ id }) => from.decide(id, 'replay'));
    await until('the replays have come', async () => {
      const [row] = await server.query(
        `select (select count(*) from sync_job where replay_of is not null)
              + (select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%snapshot%'
                    and datname = current_database()) as come`,
      );
      return Number(row.come) >= jobs.length;
    });
    await other.query('select pg_advisory_unlock(1)');
    await purged;

    for (const replay of await Promise.all(replays)) {
      expect([202, 410]).toContain(replay.status);
      if (replay.status === 410) continue;
      const [row] = await server.query(
        `select count(*)::int as chunks from snapshot_chunk c join sync_job j on j.snapshot_id = c.snapshot_id
          where j.id = $1`,
        [((await replay.json()) as { id: string }).id],
      );
      expect(row).toEqual({ chunks: 1 });
    }
  });
});

describe('finished jobs that are past their retention', () => {
  const remaining = async (jobs: Record<string, { id: string }>) => {
    const answers = await Promise.all(
      Object.entries(jobs).map(async ([name, { id }]) => ({
        name,
        status: (await from.fetch(`/sync/jobs/${id}`)).status,
      })),
    );
    return answers.filter(({ status }) => status === 200).map(({ name }) => name);
  };

  const endLongAgo = () =>
    server.query(`update sync_job set finished_at = finished_at - interval '500 days';
                  update snapshot set touched_at = touched_at - interval '500 days'`);

  it('are deleted with their snapshots unless something refers to them', async () => {
    const jobs = {
      'has changes that are kept': await from.mirror('/patients', somePatients(2)),
      'changed nothing': await from.mirror('/patients', somePatients(2)),
      'was dry': await from.mirror('/patients?dryRun=true', somePatients(3)),
      failed: await from.mirror('/patients', '[{'),
      'has errors that are kept': await from.mirror('/payments?mode=partial', [{ externalId: 'x' }]),
      'was sent with a key': await from.mirror('/patients', somePatients(2), { 'Idempotency-Key': 'the key' }),
      'was applied last': await from.mirror('/patients', somePatients(2)),
      'of payments, was applied last': await from.mirror('/payments?mode=partial', []),
    };
    const before = await from.storedSnapshots();
    await clean();
    expect(await remaining(jobs)).toHaveLength(8);
    await endLongAgo();

    await clean();

    const kept = [
      'has changes that are kept',
      'has errors that are kept',
      'was sent with a key',
      'was applied last',
      'of payments, was applied last',
    ];
    expect(await remaining(jobs)).toEqual(kept);
    expect([before, await from.storedSnapshots()]).toEqual([8, 5]);
    expect(await server.query('select from job_heartbeat')).toEqual([]);
    expect(await from.mirror('/patients', somePatients(2))).toMatchObject({ counts: { unchanged: 2 } });
  });

  it('go together with the changes that they made', async () => {
    const jobs = {
      first: await from.mirror('/patients', somePatients(2)),
      last: await from.mirror('/patients', somePatients(3)),
    };
    await makeOlder(LONG_AGO);
    await endLongAgo();

    await clean();

    expect(await remaining(jobs)).toEqual(['last']);
    expect(await from.get('/patients/1/history')).toEqual({ items: [], nextCursor: null });
    expect(await from.patientIds()).toEqual(['1', '2', '3']);
  });

  it('stay while there is a replay of them', async () => {
    await from.mirror('/patients', somePatients(2));
    const original = await from.mirror('/patients?dryRun=true', somePatients(3));
    const replay = (await (await from.decide(original.id, 'replay', { Prefer: 'wait=20' })).json()) as { id: string };
    await endLongAgo();

    await clean();
    expect(await remaining({ original, replay })).toEqual(['original']);
    await clean();
    expect(await remaining({ original, replay })).toEqual([]);
  });
});

describe('a list whose order changes', () => {
  const page = (query: string) => from.get(`/patients?limit=1&${query}`);

  it.each(['sort=paymentsTotal', 'sort=lastName'])('%s refuses a cursor older than what is kept', async (sort) => {
    await from.mirror('/patients', somePatients(3));
    const { nextCursor } = await page(sort);
    const [scope = '', , ...rest] = partsOf(nextCursor);
    const longAgo = new Date();
    longAgo.setUTCMonth(longAgo.getUTCMonth() - LONG_AGO - 3);
    const aged = signed(server, scope, String(longAgo.getTime()), ...rest);
    expect((await page(`${sort}&cursor=${aged}`)).items).toMatchObject([{ externalId: '2' }]);
    await makeOlder(LONG_AGO);

    await clean();

    await expectGone(`/patients?limit=1&${sort}&cursor=${aged}`, 'cursor_gone');
  });

  it.each(['sort=-paymentsTotal', 'sort=lastName', 'sort=externalId'])(
    '%s can be read in pages however long ago its source last changed',
    async (sort) => {
      await from.mirror('/patients', somePatients(3));
      await makeOlder(LONG_AGO);
      const { nextCursor } = await page(sort);

      await clean();

      expect((await page(`${sort}&cursor=${nextCursor}`)).items).toMatchObject([{ externalId: '2' }]);
    },
  );
});

describe('the partitions of a log', () => {
  it('are dropped when all of their rows are past the retention, and are not created again', async () => {
    await makeOlder(LONG_AGO);
    await makeOlder(2);
    const before = await monthsOf('change');

    await clean();
    await clean();

    const now = new Date();
    const monthOf = (ago: number) => {
      const day = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - ago, 1));
      return day.toISOString().slice(0, 7).replace('-', '_');
    };
    expect(before).toContain(monthOf(LONG_AGO));
    expect(await monthsOf('change')).toEqual([3, 2, 1, 0, -1, -2].map(monthOf));
    // 90 days are roughly three months.
    expect((await monthsOf('sync_error')).length).toBeGreaterThanOrEqual(5);
    // 31 days reach into the month before the last one if that one is shorter, or into the one before it.
    const oldestCursor = new Date(now.getTime() - 31 * 24 * 60 * 60 * 1000);
    const firstMonth = oldestCursor.toISOString().slice(0, 7).replace('-', '_');
    const months = await monthsOf('total_change');
    expect(months[0]).toBe(firstMonth);
    expect(months.at(-1)).toBe(monthOf(-2));
  });

  it('stay while the log is in use, without making other queries wait', async () => {
    const job = await from.mirror('/patients', somePatients(2));
    await makeOlder(LONG_AGO);
    const months = await monthsOf('change');
    const client = new pg.Client(server.databaseUrl);
    await client.connect();
    await client.query('begin; lock table change in row exclusive mode');

    const cleaning = clean();
    const { items } = await from.get('/changes');
    await cleaning;

    expect(items).toHaveLength(2);
    expect(await monthsOf('change')).toEqual(months);
    expect((await from.get(`/sync/jobs/${job.id}/changes`)).items).toHaveLength(2);
    await client.end();
    await until('the log is not in use', async () => {
      await clean();
      return (await from.fetch(`/sync/jobs/${job.id}/changes`)).status === 410;
    });
    expect(await monthsOf('change')).not.toEqual(months);
  });

  it('are added while jobs write the log, and keep nobody waiting', async () => {
    await server.query(`drop table ${nameOf('change', 2)}`);
    const writer = await holding('row exclusive');

    await clean();

    expect(await monthsOf('change')).toContain(monthIn(2));
    expect((await from.mirror('/patients', somePatients(2))).status).toBe('completed');
    await writer.end();
  });

  it('are as those that a migration would make: with keys, indexes and row-level security', async () => {
    await server.query(`drop table ${nameOf('change', 0)}`);

    await clean();

    await from.mirror('/patients', somePatients(2));
    await from.mirror('/patients', [aPatient({ firstName: 'Roy' }), aPatient({ externalId: '2' })]);
    expect((await from.get('/patients/1/history')).items).toHaveLength(2);
    const [indexes] = await server.query(
      `select count(*)::int as attached from pg_inherits
        where inhrelid in (select indexrelid from pg_index where indrelid = '${nameOf('change', 0)}'::regclass)`,
    );
    expect(indexes).toEqual({ attached: 2 });
  });

  it('keep no process from starting if those of later months cannot be added', async () => {
    await server.query(`drop table ${nameOf('change', 1)}`);
    const other = await holding('share update exclusive');

    const second = await startTestServer({ databaseUrl: server.databaseUrl, QUEUE_PREFIX: server.config.QUEUE_PREFIX });

    expect(await monthsOf('change')).not.toContain(monthIn(1));
    await second.close();
    await other.end();
    await clean();
    expect(await monthsOf('change')).toContain(monthIn(1));
  });

  it('keep a process from starting if that of this month cannot be added', async () => {
    await server.query(`drop table ${nameOf('change', 0)}`);
    const other = await holding('share update exclusive');

    const start = startTestServer({ databaseUrl: server.databaseUrl, QUEUE_PREFIX: server.config.QUEUE_PREFIX });

    await expect(start).rejects.toThrow(/lock timeout/);
    await other.end();
  });

  /** A session that holds a lock on the log of changes, as a job or another change of its partitions would. */
  async function holding(mode: string): Promise<pg.Client> {
    const client = new pg.Client(server.databaseUrl);
    await client.connect();
    await client.query(`begin; lock table change in ${mode} mode`);
    return client;
  }

  function monthIn(months: number): string {
    const now = new Date();
    const first = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months, 1));
    return first.toISOString().slice(0, 7).replace('-', '_');
  }

  const nameOf = (log: string, months: number) => `${log}_${monthIn(months)}`;
});
