import type { IncomingMessage } from 'node:http';
import { presentedCredentials } from '../http/presented-credentials.js';
import { looksLikeKey } from './key-text.js';

/** The key that a request presents. */
export interface Credentials {
  key: string;
  /** Whether a browser may have sent it by itself, on behalf of another site. */
  isAmbient: boolean;
}

/**
 * The one key that a request presents. Null without a key, for two keys that differ, for a header that was sent twice,
 * and for any text that cannot be a key: all of these get the same answer.
 * @param takesBasic whether HTTP Basic is accepted, with the key as the password of any user
 */
export function credentialsOf(request: IncomingMessage, takesBasic: boolean): Credentials | null {
  const { authorization, apiKey, isRepeated } = presentedCredentials(request);
  if (isRepeated) return null;
  const isBasic = authorization?.scheme === 'basic';
  // A browser that signed in to a page adds its Basic credentials to what the page requests: beside X-API-Key they are
  // ignored.
  const considered = isBasic && !takesBasic && apiKey !== null ? null : authorization;
  if (considered && considered.scheme !== 'bearer' && !(isBasic && takesBasic)) return null;
  if (considered && apiKey !== null && considered.key !== apiKey) return null;
  const key = considered?.key ?? apiKey;
  if (key === null || !looksLikeKey(key)) return null;
  return { key, isAmbient: isBasic && apiKey === null };
}
