import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import type { Sender } from '../http/sender.js';
import { killServerProcesses } from '../setup/server-process.js';
import type { Backend } from '../setup/test-server.js';
import { sample } from '../setup/exhaustive.js';
import type { Account } from './account.js';
import type { Scenario } from './scenarios.js';
import { NOTHING_LEFT, Stage } from './stage.js';
import { placesOf, type StatementKind, traced } from './statements.js';

/** An exhaustive walk starts a hundred processes, one after the other. */
const LIMIT_MS = 900_000;

/** Declared resources that hang on each other and on patients, one of them with windows. */
const RESOURCES = 'test/resources';

const AT_REST = ['completed', 'failed', 'awaiting_approval'];

/**
 * Kills one worker after another in place of the N-th statement of a job until one gets through: for each N where the
 * tests are exhaustive, else for a sample. Up to the commit nothing may have changed; then all must be as in a source
 * whose worker was never killed.
 */
export function describeDeaths(backend: Backend, scenarios: Scenario[]): void {
  describe(`a worker that is killed at its n-th statement, on the ${backend} queue`, () => {
    let stage: Stage;

    beforeAll(async () => {
      stage = await Stage.set(backend, RESOURCES);
    });

    afterEach(killServerProcesses);

    afterAll(() => stage.strike());

    it.each(scenarios.map((scenario) => ({ name: scenario.name, scenario })))(
      'over $name, leaves nothing half done',
      async ({ scenario }) => {
        const [twin, from = stage.sender(), other = stage.sender()] = await prepareTwins(stage, scenario, 2);
        const kinds = await traceOf(stage, scenario, other);
        const places = placesOf(scenario.name, kinds);
        const before = await stage.accountOf(from.source);
        const after = await stage.accountOf(twin.source);

        const job = await scenario.begin(from);
        const died: number[] = [];
        for (const n of places) {
          if (!(await diesAt(stage, n, [from, job]))) break;
          died.push(n);
          const { status } = await from.get<JobView>(`/sync/jobs/${job.id}`);
          const { rows, faults } = await stage.accountOf(from.source);
          expect({ n, rows, faults }).toEqual({
            n,
            rows: AT_REST.includes(status) ? after.rows : before.rows,
            faults: [],
          });
        }
        await stage.process('worker');

        // A job whose worker was killed after the commit is done, so of the statements after that one is reached.
        expect(died.length).toBeGreaterThan(places.length * 0.6);
        expect(await from.settled(job.id)).toMatchObject(scenario.end);
        expect(await stage.accountOf(from.source)).toEqual(after);
        expect(await stage.leftForGood()).toEqual(NOTHING_LEFT);
      },
      LIMIT_MS,
    );
  });
}

/** Statements of a worker that has all the jobs of a joint walk at once, less than it sends. A walk ends once they are done. */
const JOINT_STATEMENTS = Array.from({ length: 100 }, (_, index) => index + 1);

/** Workers that are killed in a joint walk. */
const JOINT_DEATHS = 6;

/**
 * The same for several jobs at once, for a sample: each worker has all of them, and is killed at the n-th statement of any.
 * So a death meets every job somewhere else, and far fewer processes are started than in a walk over each.
 */
export function describeJointDeaths(backend: Backend, scenarios: Scenario[]): void {
  it(
    `a worker that is killed with ${scenarios.length} different jobs at hand, on the ${backend} queue, leaves none half done`,
    async () => {
      const stage = await Stage.set(backend, RESOURCES);
      const worker = await stage.process('worker');
      const cases = await Promise.all(scenarios.map((scenario) => prepareCase(stage, scenario)));
      await worker.kill();
      const jobs: [Sender, JobView][] = [];
      for (const { scenario, from } of cases) jobs.push([from, await scenario.begin(from)]);

      let deaths = 0;
      for (const n of sample(
        `statements of ${scenarios.length} jobs side by side, ${backend}`,
        JOINT_STATEMENTS,
        JOINT_DEATHS,
      )) {
        if (!(await diesAt(stage, n, ...jobs))) break;
        deaths += 1;
        for (const [index, [from, job]] of jobs.entries()) {
          const { status } = await from.get<JobView>(`/sync/jobs/${job.id}`);
          const { rows, faults } = await stage.accountOf(from.source);
          const { before, after } = cases[index] as Case;
          expect({ n, index, rows, faults }).toEqual({
            n,
            index,
            rows: AT_REST.includes(status) ? after.rows : before.rows,
            faults: [],
          });
        }
      }
      await stage.process('worker');

      expect(deaths).toBeGreaterThanOrEqual(2);
      for (const [index, [from, job]] of jobs.entries()) {
        const { scenario, after } = cases[index] as Case;
        expect(await from.settled(job.id)).toMatchObject(scenario.end);
        expect(await stage.accountOf(from.source)).toEqual(after);
      }
      expect(await stage.leftForGood()).toEqual(NOTHING_LEFT);
      await killServerProcesses();
      await stage.strike();
    },
    LIMIT_MS,
  );
}

/** A source to which a scenario is to happen, and what is stored of it before that and after it without a fault. */
interface Case {
  scenario: Scenario;
  from: Sender;
  before: Account;
  after: Account;
}

async function prepareCase(stage: Stage, scenario: Scenario): Promise<Case> {
  const [twin, from] = [stage.sender(), stage.sender()];
  await Promise.all([twin, from].map((sender) => scenario.prepare(sender)));
  const before = await stage.accountOf(from.source);
  const job = await scenario.begin(twin);
  expect(await twin.settled(job.id)).toMatchObject(scenario.end);
  return { scenario, from, before, after: await stage.accountOf(twin.source) };
}

/** The statements that a worker sends for a job that another one has taken and left. */
async function traceOf(stage: Stage, scenario: Scenario, from: Sender): Promise<StatementKind[]> {
  const job = await scenario.begin(from);
  const dying = await stage.process('worker', { FAULT_DIE_AT: 'job taken' });
  expect(await dying.exited).toMatchObject({ signal: 'SIGKILL' });
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

/** @returns false once the worker lives and the jobs rest */
async function diesAt(stage: Stage, statement: number, ...jobs: [Sender, JobView][]): Promise<boolean> {
  const fault = { FAULT_FROM: 'job notification received', FAULT_STATEMENT: String(statement) };
  const worker = await stage.process('worker', fault);
  const end = new AbortController();
  const outcome = await Promise.race([
    worker.exited.then(({ signal }) => signal),
    Promise.all(jobs.map(([from, job]) => restsQuietly(from, job, end.signal))).then(() => 'rests' as const),
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
