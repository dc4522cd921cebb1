import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import type { Sender } from '../http/sender.js';
import { killServerProcesses } from '../setup/server-process.js';
import type { Backend } from '../setup/test-server.js';
import type { Scenario } from './scenarios.js';
import { NOTHING_LEFT, Stage } from './stage.js';
import { isBesideBeginOrCommit, placesOf, type StatementKind, traced } from './statements.js';

/** An exhaustive walk starts a hundred processes, one after the other. */
const LIMIT_MS = 900_000;

const AT_REST = ['completed', 'failed', 'awaiting_approval'];

/** Which statements a sample always holds: the first and the last, or also those on either side of each begin and commit. */
export type Sampled = 'ends' | 'transactions';

/**
 * Kills one worker after another in place of the N-th statement of a job until one gets through: for each N where the
 * tests are exhaustive, else for a sample. Up to the commit nothing may have changed; then all must be as in a source
 * whose worker was never killed.
 */
export function describeDeaths(backend: Backend, walks: (readonly [Scenario, Sampled])[]): void {
  describe(`a worker that is killed at its n-th statement, on the ${backend} queue`, () => {
    let stage: Stage;

    beforeAll(async () => {
      stage = await Stage.set(backend);
    });

    afterEach(killServerProcesses);

    afterAll(() => stage.strike());

    it.each(walks.map(([scenario, sampled]) => ({ name: scenario.name, scenario, sampled })))(
      'over $name, leaves nothing half done',
      async ({ scenario, sampled }) => {
        const [twin, from = stage.sender(), other = stage.sender()] = await prepareTwins(stage, scenario, 2);
        const kinds = await traceOf(stage, scenario, other);
        const isFixed = (n: number) => sampled === 'transactions' && isBesideBeginOrCommit(kinds, n);
        const places = placesOf(scenario.name, kinds, isFixed);
        const before = await stage.accountOf(from.source);
        const after = await stage.accountOf(twin.source);

        const job = await scenario.begin(from);
        const died: number[] = [];
        for (const n of places) {
          if (!(await diesAt(stage, from, job, n))) break;
          died.push(n);
          const { status } = await from.get<JobView>(`/sync/jobs/${job.id}`);
          const { rows } = await stage.accountOf(from.source);
          expect({ n, rows }).toEqual({ n, rows: AT_REST.includes(status) ? after.rows : before.rows });
        }
        await stage.process('worker');

        // How many statements a worker sends after the commit depends on what the one before has left to it.
        expect(died.length).toBeGreaterThanOrEqual(Math.floor(places.length * 0.9));
        expect(await from.settled(job.id)).toMatchObject(scenario.end);
        expect(await stage.accountOf(from.source)).toEqual(after);
        expect(await stage.leftForGood()).toEqual(NOTHING_LEFT);
      },
      LIMIT_MS,
    );
  });
}

/** The statements that a worker sends for a job that another one has left. */
async function traceOf(stage: Stage, scenario: Scenario, from: Sender): Promise<StatementKind[]> {
  const job = await scenario.begin(from);
  expect(await diesAt(stage, from, job, 3)).toBe(true);
  return traced(async (file) => {
    const worker = await stage.process('worker', { FAULT_FROM: 'job notification received', FAULT_TRACE: file });
    await restsQuietly(from, job, AbortSignal.timeout(LIMIT_MS));
    await worker.kill();
  });
}

/** Sources with the same past: in the first one the scenario has happened already, without a fault. */
export async function prepareTwins(stage: Stage, scenario: Scenario, others = 1): Promise<[Sender, ...Sender[]]> {
  const worker = await stage.process('worker');
  const twin = stage.sender();
  const rest = Array.from({ length: others }, () => stage.sender());
  await Promise.all([twin, ...rest].map((sender) => scenario.prepare(sender)));
  const job = await scenario.begin(twin);
  expect(await twin.settled(job.id)).toMatchObject(scenario.end);
  await worker.kill();
  return [twin, ...rest];
}

/** @returns false once the worker lives and the job rests */
async function diesAt(stage: Stage, from: Sender, job: JobView, statement: number): Promise<boolean> {
  const fault = { FAULT_FROM: 'job notification received', FAULT_STATEMENT: String(statement) };
  const worker = await stage.process('worker', fault);
  const end = new AbortController();
  const outcome = await Promise.race([
    worker.exited.then(({ signal }) => signal),
    restsQuietly(from, job, end.signal).then(() => 'rests' as const),
  ]);
  end.abort();
  await worker.kill();
  return outcome === 'SIGKILL';
}

/** Resolves once the job rests, and its worker has had the time to die of what comes after that. */
async function restsQuietly(from: Sender, job: JobView, end: AbortSignal): Promise<void> {
  while (!end.aborted) {
    const { status } = await from.get<JobView>(`/sync/jobs/${job.id}`);
    if (AT_REST.includes(status)) {
      await delay(500, undefined, { signal: end }).catch(() => undefined);
      return;
    }
    await delay(50);
  }
}
