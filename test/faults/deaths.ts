import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import type { Sender } from '../http/sender.js';
import { killServerProcesses } from '../setup/server-process.js';
import type { Backend } from '../setup/test-server.js';
import type { Scenario } from './scenarios.js';
import { NOTHING_LEFT, Stage } from './stage.js';

/** More statements than any job sends: a test that gets here has found one that never ends. */
const MAX_STATEMENTS = 300;

/** A walk takes a minute where nothing else runs. */
const LIMIT_MS = 600_000;

const AT_REST = ['completed', 'failed', 'awaiting_approval'];

/** How the statements are walked through: from which one on, and how many at a step. */
interface Walk {
  first: number;
  stride: number;
}

/**
 * Lets one worker after another die in place of the N-th statement of a job, N = 1, 2, 3 …, until one gets through. Up
 * to the commit nothing may have changed; then all must be as in a source whose worker never died.
 */
export function describeDeaths(backend: Backend, walks: [Scenario, Walk][]): void {
  describe(`a worker that dies at its n-th statement, on the ${backend} queue`, () => {
    let stage: Stage;

    beforeAll(async () => {
      stage = await Stage.set(backend);
    });

    afterEach(killServerProcesses);

    afterAll(() => stage.strike());

    it.each(walks.map(([scenario, walk]) => ({ name: scenario.name, scenario, walk })))(
      'over $name, leaves nothing half done (from statement $walk.first on)',
      async ({ scenario, walk: { first, stride } }) => {
        const [twin, from = stage.sender()] = await prepareTwins(stage, scenario);
        const before = await stage.accountOf(from.source);
        const after = await stage.accountOf(twin.source);

        const job = await scenario.begin(from);
        let deaths = 0;
        for (let n = first; await diesAt(stage, from, job, n); n += stride) {
          deaths += 1;
          const { status } = await from.get<JobView>(`/sync/jobs/${job.id}`);
          const { rows } = await stage.accountOf(from.source);
          expect({ n, rows }).toEqual({ n, rows: AT_REST.includes(status) ? after.rows : before.rows });
          expect(n).toBeLessThan(MAX_STATEMENTS);
        }

        expect(deaths).toBeGreaterThan(3);
        expect(await from.get(`/sync/jobs/${job.id}`)).toMatchObject(scenario.end);
        expect(await stage.accountOf(from.source)).toEqual(after);
        expect(await stage.leftForGood()).toEqual(NOTHING_LEFT);
      },
      LIMIT_MS,
    );
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
