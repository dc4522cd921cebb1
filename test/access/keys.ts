import { MikroORM } from '@mikro-orm/postgresql';
import { randomBytes } from 'node:crypto';
import { AccessKeys, type NewAccessKey } from '../../src/access/access-keys.js';
import { SCOPES } from '../../src/http/caller.js';
import type { TestServer } from '../setup/test-server.js';

/** It looks like a key, but none was ever made with this value. */
export const WRONG_KEY = `cpk_${'A'.repeat(43)}`;

export const allKeys = (server: TestServer): AccessKeys => new AccessKeys(server.app.get(MikroORM).em);

/** Makes a key with all scopes for any source, unless `key` says otherwise. */
export function makeKey(server: TestServer, key: Partial<NewAccessKey> = {}): Promise<string> {
  const name = `key-${randomBytes(5).toString('hex')}`;
  return allKeys(server).create({ name, source: null, scopes: SCOPES, expiresAt: null, ...key }, 'a test');
}

export const bearer = (key: string) => ({ Authorization: `Bearer ${key}` });

export const basic = (password: string, user = 'somebody') => ({
  Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});
