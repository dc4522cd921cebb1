import type { IncomingMessage } from 'node:http';
import { Refusal } from './refusal.js';

/** The longest `Idempotency-Key` that is accepted. Node reads headers as Latin-1: a character is a byte as sent. */
export const MAX_KEY_CHARACTERS = 255;

/** The `Idempotency-Key` of a request, or null. @throws Refusal 400 for one that is too long or empty, and for two of them */
export function idempotencyKeyOf(request: IncomingMessage): string | null {
  // In `headers` Node joins two of them to `one, two`, which is neither.
  if (request.headers['idempotency-key'] === undefined) return null;
  const [key = '', ...others] = request.headersDistinct['idempotency-key'] ?? [];
  if (others.length > 0) throw invalidKey('A request may have only one Idempotency-Key.');
  if (key.length === 0 || key.length > MAX_KEY_CHARACTERS) {
    throw invalidKey(`Idempotency-Key must have 1 to ${MAX_KEY_CHARACTERS} characters.`);
  }
  return key;
}

function invalidKey(detail: string): Refusal {
  return Refusal.parameter('Idempotency-Key', detail, 'invalid_idempotency_key');
}
