import { createHash, randomBytes } from 'node:crypto';

/** By this, scanners for leaked secrets know a key again. */
const PREFIX = 'cpk_';

const RANDOM_BYTES = 32;

const KEY = new RegExp(`^${PREFIX}[A-Za-z0-9_-]{43}$`);

/** A new key, which nobody can guess: 256 random bits. */
export function newKey(): string {
  return PREFIX + randomBytes(RANDOM_BYTES).toString('base64url');
}

/** Whether a text looks like a key of ours. Others need not be looked up. */
export function looksLikeKey(text: string): boolean {
  return KEY.test(text);
}

/**
 * What is kept of a key, and what it is found by. Salt and stretching protect secrets that people choose, which can be
 * guessed; nobody gets through 2^256 keys, so one round of SHA-256 is enough, and it can be looked up by an index. The
 * time that a look-up takes tells at most something of the digest, from which no key can be made.
 */
export function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
