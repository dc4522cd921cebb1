import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { aPatient, aPayment, type Sender, somePatients } from '../http/sender.js';
import { killServerProcesses, type ServerProcess } from '../setup/server-process.js';
import { backendsInTurn, until } from '../setup/test-server.js';
import { holdCommits, isWaitedFor, queueForJob } from './held-locks.js';
import { NOTHING_LEFT, Stage } from './stage.js';

/** As long as a job may need to be released on a busy machine. */
const SEVERAL_INTERRUPTS_MS = 1_000;

/** A worker that does not release its jobs is noticed only after this time: longer than any of these tests waits. */
const NEVER_RESCUED = { WORKER_SILENCE_MS: '600000' };

describe.each(backendsInTurn(1))('on the %s queue', (backend) => {
  // Each of these starts processes, on machines that may be busy with others.
  jest.setTimeout(90_000);

  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.set(backend);
  });

  afterEach(killServerProcesses);

  afterAll(() => stage.strike());

  describe('a worker that gets SIGTERM', () => {
    it('finishes a job that ends soon', async () => {
      const from = stage.sender();
      const worker = await stage.process('worker', {}, NEVER_RESCUED);
      const job = await accepted(from, somePatients(20_000));
      await until('the worker is at it', async () => (await statusOf(from, job)) !== 'queued');

      worker.signal('SIGTERM');

      expect(await worker.exited).toEqual({ code: 0, signal: null });
      expect(await from.get(`/sync/jobs/${job}`)).toMatchObject({ status: 'completed', counts: { created: 20_000 } });
    });

    it('releases a job that takes longer at once, and that does not count as an attempt', async () => {
      const from = stage.sender();
      const worker = await stage.process('worker', {}, { ...NEVER_RESCUED, SHUTDOWN_TIMEOUT_SECONDS: '8' });
      await from.mirror('/patients', [aPatient()]);
      const unlock = await holdCommitsOf(from);
      const job = await accepted(from, somePatients(3));
      await until('the worker waits for the mirror', async () => (await statusOf(from, job)) !== 'queued');

      worker.signal('SIGTERM');

      expect(await worker.exited).toEqual({ code: 0, signal: null });
      expect(await from.get(`/sync/jobs/${job}`)).toMatchObject({ status: 'queued' });
      expect(await stage.leftovers()).toMatchObject({ 'staging tables': 0 });
      await unlock();
      await stage.process('worker', {}, NEVER_RESCUED);
      expect(await from.settled(job)).toMatchObject({ status: 'completed', counts: { created: 2, unchanged: 1 } });
      const [row] = await stage.api.query('select attempts from sync_job where id = $1', [job]);
      expect(row).toEqual({ attempts: 1 });
      expect(await stage.leftForGood()).toEqual(NOTHING_LEFT);
    });

    // A stop interrupts its jobs every 100 ms. The second interrupt used to cancel what the first one had led to.
    it('releases its job although the job takes longer to be released than the pause between two interrupts', async () => {
      const from = stage.sender();
      const worker = await stage.process('worker', {}, { ...NEVER_RESCUED, SHUTDOWN_TIMEOUT_SECONDS: '8' });
      await from.mirror('/patients', [aPatient()]);
      const unlock = await holdCommitsOf(from);
      const job = await accepted(from, somePatients(3));
      await isWaitedFor(stage.api.databaseUrl);
      const row = await queueForJob(stage.api.databaseUrl, job);

      worker.signal('SIGTERM');
      await row.held;
      await Promise.race([worker.exited, delay(SEVERAL_INTERRUPTS_MS)]);
      await row.release();

      expect(await worker.exited).toEqual({ code: 0, signal: null });
      expect(await from.get(`/sync/jobs/${job}`)).toMatchObject({ status: 'queued' });
      await unlock();
    });

    it('takes no more notifications, so that other workers get them at once', async () => {
      const from = stage.sender();
      const leaving = await stage.process('worker', {}, { ...NEVER_RESCUED, SHUTDOWN_TIMEOUT_SECONDS: '19' });
      await from.mirror('/patients', [aPatient()]);
      const unlock = await holdCommitsOf(from);
      const long = await accepted(from, somePatients(3));
      await until('the worker waits for the mirror', async () => (await statusOf(from, long)) !== 'queued');
      // Before that one is told: the job that it gives back half of its time later would take up this one's slot.
      await stage.process('worker', {}, NEVER_RESCUED);
      leaving.signal('SIGTERM');

      const others = Array.from({ length: 10 }, () => stage.sender());
      const jobs = await Promise.all(others.map((other) => other.mirror('/patients', somePatients(2))));

      expect(jobs.map(({ status }) => status)).toEqual(Array(10).fill('completed'));
      await unlock();
      expect(await leaving.exited).toEqual({ code: 0, signal: null });
    });
  });

  it('a queue that loses everything loses no job', async () => {
    const from = stage.sender();
    const job = await accepted(from, somePatients(3));
    const others = await Promise.all(
      ['/payments', '/payments?mode=partial'].map((path) => from.post(path, [aPayment()])),
    );
    const queue = stage.queue;
    await queue.obliterate({ force: true });

    await stage.process('worker');

    expect(await from.settled(job)).toMatchObject({ status: 'completed', counts: { created: 3 } });
    for (const response of others) {
      const { id } = (await response.json()) as { id: string };
      expect(await from.settled(id)).toMatchObject({ status: 'completed' });
    }
  });

  it('a lost session of the database, also one that LISTENs, delays no job for more than ten seconds', async () => {
    const from = stage.sender();
    const worker: ServerProcess = await stage.process('worker');
    for (let round = 0; round < 3; round++) {
      await stage.api.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid()`,
      );
      const lost = Date.now();
      const patients = [aPatient({ firstName: `round ${round}` })];
      const headers = { Prefer: 'wait=10' };
      // The api's own sessions are lost too, so that it may answer 503, after which the sender repeats its request.
      await until(
        'the snapshot is mirrored',
        async () => (await from.post('/patients?mode=partial', patients, headers)).status === 200,
      );
      expect(await from.get('/patients/1')).toMatchObject({ firstName: `round ${round}` });
      expect(Date.now() - lost).toBeLessThan(10_000);
    }
    expect((await fetch(`${worker.url}/health`)).status).toBe(200);
  });

  it('a job that fails each time ends as failed with the reason, and the next one is processed', async () => {
    const from = stage.sender();
    await stage.process('worker', {}, { MAX_ATTEMPTS: '2' });
    await stage.api.query(`
      create or replace function refuse() returns trigger language plpgsql as $$ begin raise sqlstate '53100'; end $$;
      create trigger refuse before insert on patient for each row when (new.last_name = 'Batty') execute function refuse()`);
    const [bad, good] = [
      await accepted(from, [aPatient({ lastName: 'Batty' })], 'mode=partial'),
      await accepted(from, [aPatient({ externalId: '2' })], 'mode=partial'),
    ];

    await until('the job shows why it waits', async () => (await from.get(`/sync/jobs/${bad}`)).waiting?.retry);
    expect(await from.settled(good)).toMatchObject({ status: 'completed', counts: { created: 1 } });

    const failed = await from.get(`/sync/jobs/${bad}`);
    expect(failed).toMatchObject({ status: 'failed', error: { code: 'too_many_attempts' }, counts: { created: 0 } });
    expect(failed.error.detail).toContain('2 attempts; at the last one, the database ran out of disk space');
    expect(await from.patientIds()).toEqual(['2']);
    expect(await stage.leftForGood()).toEqual(NOTHING_LEFT);
  });

  it('outages in a row do not make the waits between attempts longer', async () => {
    const from = stage.sender();
    await stage.process('worker');
    // The error of a session that its server terminates. A sequence does not roll back.
    await stage.api.query(`
      create sequence outages;
      create function go_away() returns trigger language plpgsql security definer as $$
        begin if nextval('outages') < 6 then raise sqlstate '57P01'; end if; return new; end $$;
      create trigger go_away before insert on patient for each row when (new.last_name = 'Tyrell') execute function go_away()`);

    const job = await from.mirror('/patients?mode=partial', [aPatient({ lastName: 'Tyrell' })]);

    // Five waits, each four times as long as the one before, would have taken minutes.
    expect(job).toMatchObject({ status: 'completed', counts: { created: 1 } });
    const [row] = await stage.api.query('select attempts, trouble from sync_job where id = $1', [job.id]);
    expect(row).toEqual({ attempts: 6, trouble: 'the database was unavailable' });
  });

  async function accepted(from: Sender, records: unknown, query = 'deletes=apply'): Promise<string> {
    const response = await from.post(`/patients?${query}`, records);
    expect(response.status).toBe(202);
    return ((await response.json()) as { id: string }).id;
  }

  async function statusOf(from: Sender, job: string): Promise<string> {
    return (await from.get(`/sync/jobs/${job}`)).status;
  }

  /** @returns a function that releases the lock */
  async function holdCommitsOf(from: Sender): Promise<() => Promise<void>> {
    return (await holdCommits(stage.api.databaseUrl, from.source)).release;
  }
});
