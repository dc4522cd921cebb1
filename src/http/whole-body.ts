import type { Request } from 'express';
import { type Pace, paced } from './body-pace.js';
import { Refusal } from './refusal.js';

/** The rest of a body that is too large is not read. */
const CLOSE = { headers: { Connection: 'close' } };

/** The memory that a body of unknown length gets at first; it doubles as the body grows. */
const FIRST_BYTES = 16 * 1024;

/**
 * All bytes of a body that is small enough to be held in memory.
 * @param signal stops the reading with the reason of its abort
 * @throws Refusal 408 or 413
 */
export async function wholeBody(request: Request, maxBytes: number, pace: Pace, signal?: AbortSignal): Promise<Buffer> {
  const announced = Number(request.headers['content-length']);
  // A small body usually arrives along with its headers: then this skips the iterator, which costs more than all the rest.
  if (announced <= maxBytes && request.readableLength === announced) {
    const body = request.read() as Buffer | null;
    request.resume();
    return body ?? Buffer.alloc(0);
  }
  // Chunks are copied at once: one that brings a single byte takes a hundred times as much while it is kept.
  let body: Buffer = Buffer.allocUnsafe(Math.min(announced || FIRST_BYTES, maxBytes));
  let bytes = 0;
  const chunks: AsyncIterator<Buffer> = request.iterator({ destroyOnReturn: false });
  for await (const chunk of paced(signal ? interruptible(chunks, signal) : chunks, pace)) {
    const sum = bytes + chunk.length;
    if (sum > maxBytes) {
      // The sender should see the answer: until it is sent, the rest of the body is read and dropped.
      request.resume();
      throw bodyTooLarge(maxBytes);
    }
    if (sum > body.length) body = enlarged(body.subarray(0, bytes), Math.min(Math.max(sum, 2 * body.length), maxBytes));
    bytes += chunk.copy(body, bytes);
  }
  return body.subarray(0, bytes);
}

function enlarged(body: Buffer, bytes: number): Buffer {
  const larger = Buffer.allocUnsafe(bytes);
  body.copy(larger);
  return larger;
}

/** The same chunks; waiting for one ends with the reason of the signal once that is aborted. */
function interruptible(chunks: AsyncIterator<Buffer>, signal: AbortSignal): AsyncIterator<Buffer> {
  const next = () =>
    new Promise<IteratorResult<Buffer>>((resolve, reject) => {
      const stop = () => reject(signal.reason as Error);
      if (signal.aborted) return stop();
      signal.addEventListener('abort', stop, { once: true });
      void chunks
        .next()
        .then(resolve, reject)
        .finally(() => signal.removeEventListener('abort', stop));
    });
  return { next, return: async () => (await chunks.return?.()) ?? { done: true, value: undefined } };
}

/** A body, as sent or inflated, is larger than it may be: 413. */
export function bodyTooLarge(maxBytes: number): Refusal {
  return new Refusal(413, 'body_too_large', `The body may have at most ${maxBytes} bytes.`, CLOSE);
}
