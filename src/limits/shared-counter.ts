import { type RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible';

/** Where a key stands after one more was counted. */
export interface Count {
  limit: number;
  remaining: number;
  /** Whole seconds until the window is over, at least 1. */
  resetSeconds: number;
  isExceeded: boolean;
}

/** What this process may hand out under a key without asking again. */
interface Portion {
  left: number;
  /** What others may still draw. */
  remaining: number;
  until: number;
  /** The store has no more: once these are used up the limit is reached. */
  isLast: boolean;
}

/**
 * A process draws a hundredth of the limit at a time. At 6000 a minute that is one round trip for 60 requests; and what a
 * process has drawn and does not use is a hundredth, which a caller of several instances may miss. Limits below 200 are
 * counted one by one.
 */
const PORTIONS = 100;

/** Keys remembered per process. Beyond it all portions are dropped, which costs their callers a hundredth each. */
const MAX_REMEMBERED = 20_000;

/** Counts under keys in fixed windows, over all processes that share a store. */
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
    // Others may have used up what was drawn while we waited for it; each draw serves one of us at least.
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

  /** One at a time for each key: whoever comes meanwhile shares in it. */
  private draw(key: string): Promise<Portion> {
    const running = this.draws.get(key);
    if (running) return running;
    const draw = this.drawAnew(key).finally(() => this.draws.delete(key));
    this.draws.set(key, draw);
    return draw;
  }

  private async drawAnew(key: string): Promise<Portion> {
    const [answer, isGranted] = await this.store.consume(key, this.portion).then(
      (granted) => [granted, true] as const,
      (refused: unknown) => [refused, false] as const,
    );
    // The store is insured by the memory, which always answers.
    if (!(answer instanceof RateLimiterRes)) throw answer;
    const before = answer.consumedPoints - this.portion;
    const portion = {
      left: isGranted ? this.portion : Math.max(0, this.limit - before),
      remaining: answer.remainingPoints,
      until: Date.now() + Math.max(1, answer.msBeforeNext),
      isLast: !isGranted,
    };
    if (this.portions.size >= MAX_REMEMBERED) this.forget();
    this.portions.set(key, portion);
    return portion;
  }

  private forget(): void {
    for (const [key, { until }] of this.portions) if (until <= Date.now()) this.portions.delete(key);
    if (this.portions.size >= MAX_REMEMBERED) this.portions.clear();
  }
}
