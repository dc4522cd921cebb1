import { type RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible';

/** The state of a key after one more was counted. */
export interface Count {
  limit: number;
  remaining: number;
  /** Whole seconds until the window ends, at least 1. */
  resetSeconds: number;
  isExceeded: boolean;
}

/** What this process may count under a key without asking the store. */
interface Portion {
  left: number;
  /** What all processes may still draw from the store. */
  remaining: number;
  until: number;
  /** The store has nothing left: once this portion is used up the limit is reached. */
  isLast: boolean;
}

/**
 * A process draws a hundredth of the limit at a time. At 6000 a minute that is one round trip for 60 requests. What a
 * process has drawn and does not use, at most a hundredth, is lost to a caller that uses several instances. Limits
 * below 200 are counted one by one.
 */
const PORTIONS = 100;

/** Keys that a process keeps. Beyond it all portions are dropped, which costs each caller a hundredth of its limit. */
const MAX_KEYS = 20_000;

/** Counts by key in fixed windows, over all processes that share a store. */
export class SharedCounter {
  private readonly portions = new Map<string, Portion>();
  private readonly draws = new Map<string, Promise<Portion>>();
  private readonly portion: number;

  constructor(
    private readonly store: RateLimiterAbstract,
    private readonly limit: number,
  ) {
    this.portion = Math.max(1, Math.floor(limit / PORTIONS));
  }

  /** Counts one. */
  async take(key: string): Promise<Count> {
    let portion = this.usable(key);
    // Concurrent calls may use up a portion while this one waits for it; each draw serves at least one call.
    while (portion === null) {
      await this.draw(key);
      portion = this.usable(key);
    }
    const isExceeded = portion.left === 0;
    if (!isExceeded) portion.left -= 1;
    const resetSeconds = Math.max(1, Math.ceil((portion.until - Date.now()) / 1000));
    return { limit: this.limit, remaining: portion.left + portion.remaining, resetSeconds, isExceeded };
  }

  private usable(key: string): Portion | null {
    const portion = this.portions.get(key);
    if (portion === undefined || portion.until <= Date.now()) return null;
    return portion.left > 0 || portion.isLast ? portion : null;
  }

  /** One draw at a time for each key; concurrent calls share it. */
  private draw(key: string): Promise<Portion> {
    const running = this.draws.get(key);
    if (running) return running;
    const draw = this.drawFromStore(key).finally(() => this.draws.delete(key));
    this.draws.set(key, draw);
    return draw;
  }

  private async drawFromStore(key: string): Promise<Portion> {
    const [answer, isGranted] = await this.store.consume(key, this.portion).then(
      (granted) => [granted, true] as const,
      (refused: unknown) => [refused, false] as const,
    );
    // While the store is away its memory fallback answers, so anything else is a bug.
    if (!(answer instanceof RateLimiterRes)) throw answer;
    const before = answer.consumedPoints - this.portion;
    const portion = {
      left: isGranted ? this.portion : Math.max(0, this.limit - before),
      remaining: answer.remainingPoints,
      until: Date.now() + Math.max(1, answer.msBeforeNext),
      isLast: !isGranted,
    };
    if (this.portions.size >= MAX_KEYS) this.dropPortions();
    this.portions.set(key, portion);
    return portion;
  }

  private dropPortions(): void {
    for (const [key, { until }] of this.portions) if (until <= Date.now()) this.portions.delete(key);
    if (this.portions.size >= MAX_KEYS) this.portions.clear();
  }
}
