import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { Refusal } from './refusal.js';

/** How fast a body must arrive. */
export interface Pace {
  /** Seconds of waiting after which the bytes that arrived in them are counted. */
  windowSeconds: number;
  /** The average that is required over a window; at least one byte must arrive in each window in any case. */
  bytesPerSecond: number;
}

/**
 * Yields the chunks of a body as long as its sender keeps pace. Only the time spent waiting for the sender counts, not the
 * time in which a chunk is processed.
 * @throws Refusal 408; the connection is closed with the answer, as the rest of the body is not read
 */
export async function* paced(chunks: AsyncIterator<Buffer, unknown>, pace: Pace): AsyncGenerator<Buffer> {
  const window = new PaceWindow(pace);
  let isAwaited = false;
  try {
    for (;;) {
      isAwaited = true;
      const next = await window.waitFor(chunks.next());
      isAwaited = false;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    // A chunk that is still awaited ends with the connection.
    if (!isAwaited) await chunks.return?.();
  }
}

/** The bytes that arrived during the current window, and the time spent waiting for them. */
class PaceWindow {
  private readonly windowMs: number;
  private readonly leastBytes: number;
  private waitedMs = 0;
  private bytes = 0;

  constructor({ windowSeconds, bytesPerSecond }: Pace) {
    this.windowMs = windowSeconds * 1000;
    this.leastBytes = Math.max(1, windowSeconds * bytesPerSecond);
  }

  async waitFor(chunk: Promise<IteratorResult<Buffer, unknown>>): Promise<IteratorResult<Buffer, unknown>> {
    for (;;) {
      const start = performance.now();
      const arrived = await inTime(chunk, this.windowMs - this.waitedMs);
      this.waitedMs = arrived === null ? this.windowMs : this.waitedMs + performance.now() - start;
      if (arrived?.done) return arrived;
      this.bytes += arrived?.value.length ?? 0;
      if (this.waitedMs >= this.windowMs) this.startNext();
      if (arrived !== null) return arrived;
    }
  }

  private startNext(): void {
    if (this.bytes < this.leastBytes) throw tooSlow();
    this.waitedMs = 0;
    this.bytes = 0;
  }
}

/** The awaited value, or null if it does not arrive in time. */
async function inTime<T>(awaited: Promise<T>, timeoutMs: number): Promise<T | null> {
  const timer = new AbortController();
  const { signal } = timer;
  // If this process was paused, a chunk may be in the socket when the timer fires: it is read before the next turn.
  const late = delay(timeoutMs, null, { signal })
    .then(() => nextTurn(null, { signal }))
    .catch(() => null);
  // After a timeout nothing awaits it any more, and it may reject.
  awaited.catch(() => undefined);
  try {
    return await Promise.race([awaited, late]);
  } finally {
    timer.abort();
  }
}

function tooSlow(): Refusal {
  const detail = 'The body arrives too slowly, or not at all. Nothing of it was kept.';
  return new Refusal(408, 'body_too_slow', detail, { headers: { Connection: 'close' } });
}
