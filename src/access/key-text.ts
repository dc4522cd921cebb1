import { createHash, randomBytes } from 'node:crypto';

/** Scanners for leaked secrets recognise a key by this. */
const PREFIX = 'cpk_';

const RANDOM_BYTES = 32;

const KEY = new RegExp(`^${PREFIX}[A-Za-z0-9_-]{43}$`);

/** A new key: 256 random bits, which nobody can guess. */
export function newKey(): string {
  return PREFIX + randomBytes(RANDOM_BYTES).toString('base64url');
}

/** Whether a text has the form of our keys. Other texts need no look-up. */
export function looksLikeKey(text: string): boolean {
  return KEY.test(text);
}

/**
 * The digest that is stored for a key and by which it is looked up. Salt and stretching protect secrets that people
 * choose, which can be guessed; nobody can try 2^256 keys, so one round of SHA-256 is enough, and an index can find it.
 * The time that a look-up takes reveals at most something about the digest, from which no key can be computed.
 */
export function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
