import type { IncomingMessage } from 'node:http';

/** How `Authorization` presents a key. `other`: another scheme, or one of these two in a malformed header. */
export type AuthorizationScheme = 'bearer' | 'basic' | 'other';

/** What a request presents as its key, in `Authorization` and in `X-API-Key`. Whether it is valid is not said here. */
export interface PresentedCredentials {
  /** The token of Bearer, the password of Basic, or the whole header under `other`; null without the header. */
  authorization: { scheme: AuthorizationScheme; key: string } | null;
  /** Null without the header. */
  apiKey: string | null;
  /** Whether one of the headers was sent more than once. Then the first of each is given. */
  isRepeated: boolean;
}

/**
 * Reads the credentials of a request. The limits count requests under what this returns and access looks it up, so both
 * read a header in the same way: otherwise a caller could respell its key for each request and never meet its limit.
 */
export function presentedCredentials(request: IncomingMessage): PresentedCredentials {
  const { authorization = [], 'x-api-key': apiKeys = [] } = request.headersDistinct;
  return {
    authorization: authorization[0] === undefined ? null : parseAuthorization(authorization[0].trim()),
    apiKey: apiKeys[0]?.trim() ?? null,
    isRepeated: authorization.length > 1 || apiKeys.length > 1,
  };
}

/** Scheme and key are separated by spaces; the scheme is case-insensitive (RFC 9110, section 11.4). */
function parseAuthorization(header: string): PresentedCredentials['authorization'] {
  const [, scheme, value = ''] = /^(bearer|basic) +([^ ].*)$/is.exec(header) ?? [];
  const isBasic = scheme?.toLowerCase() === 'basic';
  const key = isBasic ? basicPassword(value) : value;
  if (scheme === undefined || key === null) return { scheme: 'other', key: header };
  return { scheme: isBasic ? 'basic' : 'bearer', key };
}

/** RFC 7617: base64 of the user's name, a colon and the password. Null for anything else. */
function basicPassword(encoded: string): string | null {
  if (!/^[A-Za-z0-9+/=]+$/.test(encoded)) return null;
  const text = Buffer.from(encoded, 'base64').toString();
  return text.includes(':') ? text.slice(text.indexOf(':') + 1) : null;
}
