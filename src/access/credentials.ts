import type { IncomingMessage } from 'node:http';
import { looksLikeKey } from './key-text.js';

/** The key that a request shows. */
export interface Credentials {
  key: string;
  /** Whether a browser may have sent it by itself, on behalf of another site. */
  isAmbient: boolean;
}

/**
 * The one key of a request's `Authorization` and `X-API-Key`. Null for none, for two that differ, for a header that is
 * there twice, and for whatever cannot be a key: all of these are answered alike.
 * @param takesBasic whether HTTP Basic is taken, with the key as the password of any user
 */
export function credentialsOf(request: IncomingMessage, takesBasic: boolean): Credentials | null {
  const { authorization = [], 'x-api-key': apiKeys = [] } = request.headersDistinct;
  if (authorization.length > 1 || apiKeys.length > 1) return null;
  const apiKey = apiKeys[0]?.trim();
  const basic = basicPassword(authorization[0]);
  // A browser that was logged in to a page adds this to what the page asks for: beside a key it says nothing.
  const isBasicIgnored = basic !== undefined && !takesBasic && apiKey !== undefined;
  const shown = isBasicIgnored ? undefined : (bearerToken(authorization[0]) ?? (takesBasic ? basic : undefined));
  if (authorization.length > 0 && !isBasicIgnored && shown === undefined) return null;
  if (shown !== undefined && apiKey !== undefined && shown !== apiKey) return null;
  const key = shown ?? apiKey;
  if (key === undefined || !looksLikeKey(key)) return null;
  return { key, isAmbient: apiKey === undefined && basic !== undefined };
}

/** RFC 6750, section 2.1; the scheme in letters of either case (RFC 9110, section 11.1). */
function bearerToken(header: string | undefined): string | undefined {
  return /^bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(header?.trim() ?? '')?.[1];
}

/** RFC 7617. */
function basicPassword(header: string | undefined): string | undefined {
  const encoded = /^basic +([A-Za-z0-9+/=]+)$/i.exec(header?.trim() ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString();
  return text.includes(':') ? text.slice(text.indexOf(':') + 1) : undefined;
}
