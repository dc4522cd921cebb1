import type { Request } from 'express';
import { type Pace, paced } from './body-pace.js';
import { Refusal } from './refusal.js';

/** Of a body that is too large the rest is not waited for. */
const CLOSE = { headers: { Connection: 'close' } };

/** All bytes of a body that is small enough to be held in memory. @throws Refusal 408 or 413 */
export async function wholeBody(request: Request, maxBytes: number, pace: Pace): Promise<Buffer> {
  const announced = Number(request.headers['content-length']);
  // A small body mostly comes with its head: then there is nothing to wait for, which would cost more than all else here.
  if (announced <= maxBytes && request.readableLength === announced) {
    const body = request.read() as Buffer | null;
    request.resume();
    return body ?? Buffer.alloc(0);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of paced(request.iterator({ destroyOnReturn: false }), pace)) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      // Whoever sends too much should see the answer: what still comes is dropped until that is out.
      request.resume();
      throw bodyTooLarge(maxBytes);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A body, as sent or inflated, is larger than it may be: 413. */
export function bodyTooLarge(maxBytes: number): Refusal {
  return new Refusal(413, 'body_too_large', `The body may have ${maxBytes} bytes at most.`, CLOSE);
}
