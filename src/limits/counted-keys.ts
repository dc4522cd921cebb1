import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { presentedCredentials } from '../http/presented-credentials.js';

/** Enough of the hash to tell keys apart; never the key. */
const HASH_CHARACTERS = 32;

/**
 * Short hashes of the keys that a request presents, valid or not: none, one, or two if `Authorization` and `X-API-Key`
 * hold different ones. A request counts under each of them, so under the one that access accepts, and a random key in
 * the other header does not evade the limit.
 */
export function countedKeys(request: IncomingMessage): string[] {
  const { authorization, apiKey } = presentedCredentials(request);
  const keys = [authorization?.key, apiKey].filter((key) => typeof key === 'string' && key !== '') as string[];
  return [...new Set(keys)].map(hashOf);
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url').slice(0, HASH_CHARACTERS);
}
