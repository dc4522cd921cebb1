import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { PassThrough } from 'node:stream';
import { aPatient, somePatients } from '../http/sender.js';
import { BUILT_SERVER, killServerProcesses, ServerProcess } from '../setup/server-process.js';
import { until } from '../setup/test-server.js';
import { holdMigrations, holdCommits, isWaitedFor, migrationsAreWaitedFor, queueForJob } from './held-locks.js';
import { Stage } from './stage.js';

jest.setTimeout(90_000);

/** A job that is not released would stay where it is for as long as these tests wait. */
const NEVER_RESCUED = { WORKER_SILENCE_MS: '600000' };

/** On SIGUSR2 the process meets an error that no code handles. */
const failOnSignal = (code: string) => {
  const program = `process.on('SIGUSR2', () => { ${code} })`;
  return ['--import', `data:text/javascript,${encodeURIComponent(program)}`];
};

describe('a process', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.set('postgresql');
  });

  afterEach(killServerProcesses);

  afterAll(() => stage.strike());

  // npm passes a signal on that its process group has received already; the second one used to kill the process.
  it('that gets SIGTERM again while it stops gives its job back, and is not ready meanwhile', async () => {
    const { worker, job, commits } = await workerInMidJob({ SHUTDOWN_TIMEOUT_SECONDS: '8' });
    expect((await fetch(`${worker.url}/health/ready`)).status).toBe(200);

    worker.signal('SIGTERM');
    await until('it is not ready', async () => (await fetch(`${worker.url}/health/ready`)).status === 503);
    expect((await fetch(`${worker.url}/health/live`)).status).toBe(200);
    worker.signal('SIGTERM');
    worker.signal('SIGINT');

    expect(await worker.exited).toEqual({ code: 0, signal: null });
    expect(await statusOf(job)).toBe('queued');
    await commits.release();
  });

  it('that gets SIGTERM while it starts gives up its start and closes what it has opened', async () => {
    const migrations = await holdMigrations(stage.api.databaseUrl);
    let starting: ServerProcess | undefined;
    const listening = ServerProcess.start(settings(), { main: BUILT_SERVER, onSpawn: (child) => (starting = child) });
    listening.catch(() => undefined);
    await migrationsAreWaitedFor(stage.api.databaseUrl);

    starting?.signal('SIGTERM');
    starting?.signal('SIGINT');
    await migrations.release();

    expect(await starting?.exited).toEqual({ code: 0, signal: null });
    await expect(listening).rejects.toThrow('did not start');
  });

  it('does not exit with 0 if it could not close everything in time', async () => {
    const { worker, job, commits } = await workerInMidJob({ SHUTDOWN_TIMEOUT_SECONDS: '1' });
    // As long as this test has the job's row, the worker cannot give the job back.
    const row = await queueForJob(stage.api.databaseUrl, job);

    worker.signal('SIGTERM');

    expect(await worker.exited).toEqual({ code: 1, signal: null });
    await row.release();
    await commits.release();
  });

  // Found by a chaos run: with its sessions gone nothing kept the process alive, and it ended before it had closed its pool.
  it('whose sessions are terminated while it stops exits with 0', async () => {
    const { worker, commits } = await workerInMidJob({ SHUTDOWN_TIMEOUT_SECONDS: '8' });

    worker.signal('SIGTERM');
    await until('it is stopping', async () => (await fetch(`${worker.url}/health/ready`)).status === 503);
    await stage.api.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name like 'counterpart %' and state <> 'idle'`,
    );

    expect(await worker.exited).toEqual({ code: 0, signal: null });
    await commits.release();
  });

  it('that meets a rejection nobody handles stops in order, and says so without the message', async () => {
    const { server, said } = await startWith(failOnSignal(`Promise.reject(new RangeError('Rick Deckard'))`));

    server.signal('SIGUSR2');

    expect(await server.exited).toEqual({ code: 1, signal: null });
    expect(await said()).toMatch(/"err":\{"type":"RangeError".*"msg":"a promise was rejected, and nobody handled it/);
    expect(await said()).not.toContain('Rick Deckard');
  });

  it('that meets an exception nobody catches ends, and says so without the message', async () => {
    const { server, said } = await startWith(failOnSignal(`throw new RangeError('Rick Deckard')`));

    server.signal('SIGUSR2');

    expect(await server.exited).toEqual({ code: 1, signal: null });
    expect(await said()).toMatch(/"err":\{"type":"RangeError".*"msg":"an exception was not caught/);
    expect(await said()).not.toContain('Rick Deckard');
  });

  it('lives on after a rejection that an outage caused', async () => {
    const outage = `Promise.reject(Object.assign(new Error('Rick Deckard'), { code: 'ECONNRESET' }))`;
    const { server, said, soFar } = await startWith(failOnSignal(outage));

    server.signal('SIGUSR2');
    await until('it says so', () => soFar().includes('rejected by an outage'));

    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    await server.stop();
    expect(await said()).not.toContain('Rick Deckard');
  });

  /** Those of a process on the stage's database that migrates it. */
  function settings(): Record<string, string | undefined> {
    return {
      NODE_ENV: 'test',
      PORT: '0',
      DATABASE_URL: stage.api.databaseUrl,
      REDIS_URL: undefined,
      LOG_LEVEL: 'silent',
    };
  }

  /** A worker whose job waits for a lock that the test holds. */
  async function workerInMidJob(settings: Record<string, string>) {
    const from = stage.sender();
    const worker = await stage.process('worker', {}, { ...NEVER_RESCUED, ...settings }, BUILT_SERVER);
    await from.mirror('/patients', [aPatient()]);
    const commits = await holdCommits(stage.api.databaseUrl, from.source);
    const { id: job } = (await (await from.post('/patients?deletes=apply', somePatients(3))).json()) as { id: string };
    await isWaitedFor(stage.api.databaseUrl);
    return { worker, job, commits };
  }

  async function statusOf(job: string): Promise<string> {
    const [row] = await stage.api.query('select status from sync_job where id = $1', [job]);
    return row.status;
  }

  /** An api on the stage's database, and what it says. */
  async function startWith(flags: string[]) {
    const log = new PassThrough();
    let seen = '';
    log.on('data', (piece) => (seen += String(piece)));
    const server = await ServerProcess.start({ ...settings(), ROLE: 'api' }, { main: BUILT_SERVER, flags, log });
    const said = async () => {
      await server.exited;
      return seen;
    };
    return { server, said, soFar: () => seen };
  }
});
