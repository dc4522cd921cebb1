import { afterEach, describe, expect, it } from '@jest/globals';
import { PeriodicTask, type PeriodicWork } from './periodic-task.js';

const WAIT_MS = 50;
const LONG_MS = 600_000;

/** Node's timers may be early by a millisecond. */
const EARLY_MS = 1;

describe('Periodic work', () => {
  const tasks: PeriodicTask[] = [];

  afterEach(async () => {
    await Promise.all(tasks.splice(0).map((task) => task.stop()));
  });

  /** A task that has started with the application, the number of its runs so far, and its first one. */
  function started({ canWait }: Pick<PeriodicWork, 'canWait'>, firstWaitMs: number) {
    const first = Promise.withResolvers<void>();
    const count = { runs: 0 };
    const run = async () => {
      count.runs += 1;
      first.resolve();
    };
    const task = new PeriodicTask({ name: 'working', pauseMs: LONG_MS, ...(canWait && { canWait }), run }, firstWaitMs);
    tasks.push(task);
    task.onApplicationBootstrap();
    return { task, count, hasRun: first.promise };
  }

  it('runs at the start if it cannot wait', () => {
    const { count } = started({}, LONG_MS);

    expect(count.runs).toBe(1);
  });

  it('that can wait runs for the first time after the wait', async () => {
    const start = performance.now();
    const { count, hasRun } = started({ canWait: true }, WAIT_MS);
    expect(count.runs).toBe(0);

    await hasRun;

    expect(performance.now() - start).toBeGreaterThanOrEqual(WAIT_MS - EARLY_MS);
  });

  it('that is stopped during its first wait does not run', async () => {
    const stopped = started({ canWait: true }, WAIT_MS);
    await stopped.task.stop();

    // Started later with the same wait, so the stopped one would have run before.
    await started({ canWait: true }, WAIT_MS).hasRun;

    expect(stopped.count.runs).toBe(0);
  });

  it('that is woken during its first wait runs at once, and not again when the wait is over', async () => {
    const { task, count } = started({ canWait: true }, WAIT_MS);

    task.wake();

    expect(count.runs).toBe(1);
    await started({ canWait: true }, WAIT_MS).hasRun;
    expect(count.runs).toBe(1);
  });
});
