import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { callbackify } from 'node:util';

/** Finds all addresses of a name. */
export type Resolve = (hostname: string) => Promise<LookupAddress[]>;

/** A request was to go, or a name has come to lead, to an address that requests must not be sent to. */
export class ForbiddenTarget extends Error {
  readonly code = 'FORBIDDEN_TARGET';

  constructor() {
    super('requests must not be sent to this address');
  }
}

/**
 * Replaces `dns.lookup` for a connection: the addresses that it returns are the ones connected to, so that a name cannot
 * resolve to others between the check and the connection (DNS rebinding).
 * @param addressesOf fails with {@link ForbiddenTarget} if a name leads to an address that is not allowed
 */
export function lookupBy(addressesOf: Resolve): LookupFunction {
  return (hostname, options, done) => {
    callbackify(() => addressesOf(hostname))((error, addresses) => {
      const [first] = addresses ?? [];
      if (error || options.all) done(error, addresses ?? []);
      else done(null, first?.address ?? '', first?.family);
    });
  };
}

/** The host as Node's `net` takes it: IPv6 without brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}
