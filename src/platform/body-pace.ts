import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { Refusal } from './refusal.js';

/** How fast a body must come in. */
export interface Pace {
  /** Seconds of waiting after which it is looked at what they have brought. */
  windowSeconds: number;
  /** What they must have brought on average; a byte in the whole window is asked for in any case. */
  bytesPerSecond: number;
}

/**
 * Passes the chunks of a body on for as long as its sender keeps pace. Only the time that is spent waiting for the sender
 * counts, none in which a chunk is worked on.
 * @throws Refusal 408; the connection is closed with the answer, as nobody waits for the rest of the body
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
    // One that is still awaited comes to its end with the connection.
    if (!isAwaited) await chunks.return?.();
  }
}

/** What has come in during the current window, and how much of it was spent waiting. */
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
      if (this.waitedMs >= this.windowMs) this.beginAnew();
      if (arrived !== null) return arrived;
    }
  }

  private beginAnew(): void {
    if (this.bytes < this.leastBytes) throw tooSlow();
    this.waitedMs = 0;
    this.bytes = 0;
  }
}

/** What is awaited, or null if it has not come in time. */
async function inTime<T>(awaited: Promise<T>, timeoutMs: number): Promise<T | null> {
  const timer = new AbortController();
  const { signal } = timer;
  // After a pause of our own a chunk may lie in the socket when the timer goes off: it is read before the next turn.
  const late = delay(timeoutMs, null, { signal })
    .then(() => nextTurn(null, { signal }))
    .catch(() => null);
  // Once nobody waits for it any more it may fail.
  awaited.catch(() => undefined);
  try {
    return await Promise.race([awaited, late]);
  } finally {
    timer.abort();
  }
}

function tooSlow(): Refusal {
  const detail = 'The body comes in too slowly, or not at all. Nothing of it was kept.';
  return new Refusal(408, 'body_too_slow', detail, { headers: { Connection: 'close' } });
}
