import { AsyncLocalStorage } from 'node:async_hooks';

/** What a worker spends its time on, in the order in which a long job comes to it; a short one waits for the locks first. */
export type Phase =
  /** Whether the bytes are those that were applied last. */
  | 'compare bytes'
  /** Read, check, COPY into the staging table. */
  | 'stage'
  /** Statistics of the staging table, and the wait for the locks of the mirror. */
  | 'lock'
  | 'count rows'
  | 'difference'
  | 'duplicates'
  /** What is retained, the deletion guard, the plan and its digest. */
  | 'plan'
  | 'change log'
  | 'delete'
  | 'update'
  | 'insert'
  | 'totals'
  /** Children that lose or find their parents. */
  | 'links'
  /** What the resource's own code derives from its rows. */
  | 'derived'
  /** Records without a parent, and the report of deferred errors. */
  | 'deferred errors'
  /** ANALYZE of what was filled. */
  | 'statistics'
  /** Drops the staging table, finishes the job's row, numbers the commit, and commits. */
  | 'commit';

/** Seconds by phase, to the millisecond. */
export type PhaseSeconds = Partial<Record<Phase, number>>;

const clocks = new AsyncLocalStorage<PhaseClock>();

/** Runs `work` and measures its phases. Whatever comes before the first one counts as none. */
export async function measurePhases(work: () => Promise<void>): Promise<PhaseSeconds> {
  const clock = new PhaseClock();
  await clocks.run(clock, work);
  return clock.stop();
}

/** A phase begins, and with it the one before ends. Does nothing outside of `measurePhases`. */
export function enterPhase(phase: Phase): void {
  clocks.getStore()?.enter(phase);
}

class PhaseClock {
  private readonly spentMs = new Map<Phase, number>();
  private current: Phase | null = null;
  private since = performance.now();

  enter(phase: Phase | null): void {
    const now = performance.now();
    if (this.current) this.spentMs.set(this.current, (this.spentMs.get(this.current) ?? 0) + now - this.since);
    this.current = phase;
    this.since = now;
  }

  stop(): PhaseSeconds {
    this.enter(null);
    return Object.fromEntries([...this.spentMs].map(([phase, ms]) => [phase, Math.round(ms) / 1000]));
  }
}
