import { setTimeout as delay } from 'node:timers/promises';
import { SourceFault } from './source-fault.js';

/** How long a source that is away is waited for. */
export interface Patience {
  /** The pause before the first probe; each further one is twice as long, up to `longestMs`. */
  firstMs: number;
  longestMs: number;
  /** How long in all. */
  limitMs: number;
}

/** Pauses are shorter by up to this share, so that what failed together does not come back together. */
const JITTER = 0.5;

/** The pause before attempt `number`, counted from 1. */
export function pauseMs({ firstMs, longestMs }: Pick<Patience, 'firstMs' | 'longestMs'>, number: number): number {
  const full = Math.min(firstMs * 2 ** Math.min(number - 1, 30), longestMs);
  return full * (1 - Math.random() * JITTER);
}

/**
 * Keeps requests away from a source that is down. Closed, all may pass. It opens when the source does not answer a ping after a
 * failed request; then pings alone are sent, further and further apart, until one is answered or the patience ends.
 */
export class CircuitBreaker {
  private closing: Promise<void> | null = null;

  /**
   * @param ping whether the source answers
   * @param onChange told when it opens and closes
   */
  constructor(
    private readonly ping: () => Promise<boolean>,
    private readonly patience: Patience,
    private readonly signal: AbortSignal,
    private readonly onChange: (isOpen: boolean) => Promise<void>,
  ) {}

  /** Resolves while it is closed, or once it closes. @throws SourceFault once the patience has ended */
  async whenClosed(): Promise<void> {
    await this.closing;
  }

  /**
   * To be called after a failed request. @returns whether the source was there all the time; if not, once it is back
   * @throws SourceFault once the patience has ended
   */
  async check(): Promise<boolean> {
    if (this.closing !== null) {
      await this.closing;
      return false;
    }
    if (await this.ping()) return true;
    this.closing ??= this.waitForSource();
    await this.closing;
    return false;
  }

  private async waitForSource(): Promise<void> {
    await this.onChange(true);
    const deadline = Date.now() + this.patience.limitMs;
    for (let probe = 1; ; probe++) {
      const left = deadline - Date.now();
      if (left <= 0) throw new SourceFault('source_unavailable', 'The source did not answer for too long.', 'none');
      await delay(Math.min(pauseMs(this.patience, probe), left), undefined, { signal: this.signal });
      if (await this.ping()) break;
    }
    await this.onChange(false);
    this.closing = null;
  }
}
