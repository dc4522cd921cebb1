import type { Request } from 'express';
import { type Pace, paced } from './body-pace.js';
import { Refusal } from './refusal.js';

/** The rest of a body that is too large is not read. */
const CLOSE = { headers: { Connection: 'close' } };

/** All bytes of a body that is small enough to be held in memory. @throws Refusal 408 or 413 */
export async function wholeBody(request: Request, maxBytes: number, pace: Pace): Promise<Buffer> {
  const announced = Number(request.headers['content-length']);
  // A small body usually arrives along with its headers: then this skips the iterator, which costs more than all the rest.
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
      // The sender should see the answer: until it is sent, the rest of the body is read and dropped.
      request.resume();
      throw bodyTooLarge(maxBytes);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A body, as sent or inflated, is larger than it may be: 413. */
export function bodyTooLarge(maxBytes: number): Refusal {
  return new Refusal(413, 'body_too_large', `The body may have at most ${maxBytes} bytes.`, CLOSE);
}
