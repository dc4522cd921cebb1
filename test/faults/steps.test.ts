import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import { IS_EXHAUSTIVE, sample } from '../setup/exhaustive.js';
import { killServerProcesses } from '../setup/server-process.js';
import { backendsInTurn, queueOn, until } from '../setup/test-server.js';
import { aPatient, type Sender } from '../http/sender.js';
import { prepareTwins } from './deaths.js';
import { fullSnapshot } from './scenarios.js';
import { NOTHING_LEFT, Stage } from './stage.js';

/** Between any two of these the worker has had an effect: committed, or in a transaction that its death rolls back. */
const STEPS_OF_A_WORKER = [
  'job notification received',
  'job taken',
  'staging begun',
  'batch staged',
  'all staged',
  'difference applied',
  'job concluded',
  'effect committed',
  'job notification handled',
];

describe.each(backendsInTurn(1))('on the %s queue', (backend) => {
  let stage: Stage;
  let twin: Sender;
  let prepared: Sender[];

  // On one of them the steps are parts of one transaction, on the other one each is committed.
  const deadly = STEPS_OF_A_WORKER.slice(0, -1);
  const stepsToDieAt = IS_EXHAUSTIVE
    ? deadly
    : [...sample(`steps to die at, ${backend}`, deadly.slice(0, -1), 3), 'effect committed'];
  const pausable = STEPS_OF_A_WORKER.slice(1, -1);
  const stepsToPauseAt = IS_EXHAUSTIVE
    ? pausable
    : sample(`steps to pause at, ${backend}`, pausable, queueOn(backend) === 'long' ? 2 : 1);

  beforeAll(async () => {
    stage = await Stage.set(backend);
    [twin, ...prepared] = await prepareTwins(stage, fullSnapshot, stepsToPauseAt.length + 3);
  }, 60_000);

  afterEach(killServerProcesses);

  afterAll(() => stage.strike());

  it('workers that die at one step after the other leave nothing half done', async () => {
    const from = nextSource();
    const before = await stage.accountOf(from.source);
    const after = await stage.accountOf(twin.source);

    const job = await fullSnapshot.begin(from);
    for (const step of stepsToDieAt) {
      const worker = await stage.process('worker', { FAULT_DIE_AT: step });
      expect({ step, ...(await worker.exited) }).toMatchObject({ step, signal: 'SIGKILL' });
      const { rows } = await stage.accountOf(from.source);
      expect({ step, rows }).toEqual({ step, rows: step === 'effect committed' ? after.rows : before.rows });
    }

    await stage.process('worker');
    expect(await from.settled(job.id)).toMatchObject(fullSnapshot.end);
    expect(await stage.accountOf(from.source)).toEqual(after);
    expect(await stage.leftForGood()).toEqual(NOTHING_LEFT);
  }, 300_000);

  it.each(stepsToPauseAt)(
    'a worker that is paused when it is at "%s" writes nothing more when it wakes up',
    async (step) => {
      const from = nextSource();
      const job = await fullSnapshot.begin(from);
      const paused = await stage.process('worker', { FAULT_PAUSE_AT: step });
      await until(`a job is at "${step}"`, async () => (await claimsOf(job)) === 1);

      const other = await stage.process('worker');
      expect(await from.settled(job.id)).toMatchObject(fullSnapshot.end);
      const after = await stage.accountOf(twin.source);
      expect(await stage.accountOf(from.source)).toEqual(after);

      paused.signal('SIGCONT');
      await other.kill();
      // The one that was paused is the only one left: what it does next shows that it has got over its last job.
      const next = await from.mirror('/patients?mode=partial', [aPatient({ externalId: '1', firstName: 'Rachael' })]);
      expect(next).toMatchObject({ status: 'completed', counts: { updated: 1 } });
      const { logs, jobs } = await stage.accountOf(from.source);
      expect((jobs as unknown[]).slice(0, -1)).toEqual(after.jobs);
      expect((logs as any).changes.slice(0, -1)).toEqual((after.logs as any).changes);
      expect(await stage.leftForGood()).toEqual(NOTHING_LEFT);
    },
    60_000,
  );

  it('a worker that is paused until the queue has given its job to another one does not repeat it', async () => {
    const from = nextSource();
    const job = await fullSnapshot.begin(from);
    const paused = await stage.process('worker', { FAULT_PAUSE_AT: 'job taken' });
    await until('the job is claimed', async () => (await claimsOf(job)) === 1);
    await stage.process('worker');
    const queue = stage.queue;
    const notification = `${job.id}-0`;
    await until('the lock is lost', async () => (await queue.getJobState(notification)) === 'completed', 30_000);

    paused.signal('SIGCONT');

    const after = await stage.accountOf(twin.source);
    expect(await from.settled(job.id)).toMatchObject(fullSnapshot.end);
    await from.mirror('/payments?mode=partial', []);
    expect((await stage.accountOf(from.source)).rows).toEqual(after.rows);
    expect((await stage.accountOf(from.source)).logs).toEqual(after.logs);
  }, 60_000);

  it('an effect happens once, however often the queue tells of it', async () => {
    const from = nextSource();
    const job = await fullSnapshot.begin(from);
    const queue = stage.queue;
    await Promise.all(
      Array.from({ length: 20 }, (_, n) => queue.add('sync', { jobId: job.id }, { jobId: `again-${n}` })),
    );

    await Promise.all([stage.process('worker'), stage.process('worker')]);

    await from.settled(job.id);
    await until('the queue has told all', async () => (await queue.getJobCountByTypes('waiting', 'active')) === 0);
    expect(await stage.accountOf(from.source)).toEqual(await stage.accountOf(twin.source));
  }, 60_000);

  function nextSource(): Sender {
    const from = prepared.pop();
    if (!from) throw new Error('no prepared source is left');
    return from;
  }

  async function claimsOf(job: JobView): Promise<number> {
    const [row] = await stage.api.query('select count(*)::int as claims from job_heartbeat where job_id = $1', [
      job.id,
    ]);
    return row.claims;
  }
});
