import type { IncomingMessage } from 'node:http';
import { Refusal } from './refusal.js';

/** The longest `Idempotency-Key` that is taken. Node reads headers as Latin-1: a character is a byte of what was sent. */
export const MAX_KEY_CHARACTERS = 255;

/** What a request is known by if it is sent again, or null. @throws Refusal 400, also for two of them */
export function idempotencyKeyOf(request: IncomingMessage): string | null {
  // Among the headers there is one at most: Node joins two to `one, two`, which is neither.
  if (request.headers['idempotency-key'] === undefined) return null;
  const [key = '', ...others] = request.headersDistinct['idempotency-key'] ?? [];
  if (others.length > 0) throw invalidKey('A request has one Idempotency-Key at most.');
  if (key.length === 0 || key.length > MAX_KEY_CHARACTERS) {
    throw invalidKey(`Idempotency-Key must have 1 to ${MAX_KEY_CHARACTERS} characters.`);
  }
  return key;
}

function invalidKey(detail: string): Refusal {
  return Refusal.parameter('Idempotency-Key', detail, 'invalid_idempotency_key');
}
