import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Enough of the hash to tell keys apart; never the key. */
const HASH_CHARACTERS = 32;

/**
 * A short hash of the key that a request shows, whether or not it is a right one; null if it shows none. The same key is
 * the same whichever way it is shown: `Authorization: Bearer`, `X-API-Key`, or as the password of HTTP Basic.
 */
export function presentedKey({ headers }: IncomingMessage): string | null {
  const key = fromAuthorization(headers.authorization) ?? headers['x-api-key'];
  if (typeof key !== 'string' || key === '') return null;
  return createHash('sha256').update(key).digest('base64url').slice(0, HASH_CHARACTERS);
}

function fromAuthorization(header: string | undefined): string | undefined {
  const [, scheme = '', value = ''] = /^(\S+)\s+(.*)$/.exec(header ?? '') ?? [];
  if (scheme.toLowerCase() !== 'basic') return header === undefined ? undefined : value || header;
  const [, password] = /^[^:]*:(.*)$/s.exec(Buffer.from(value, 'base64').toString()) ?? [];
  return password ?? value;
}
