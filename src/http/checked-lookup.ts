import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
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

/** A slower name server is not waited for: the addresses are checked at each connection anyway. */
const RESOLVE_MS = 2_000;

/** Names that are checked at a time, so that they leave room for connections. Others are not looked up before these. */
const CHECKED_AT_ONCE = 16;

/** Looks up the names of new targets, so that their owners are told of forbidden ones at once. */
export class TargetCheck {
  private checking = 0;

  /** @param addressesOf as {@link lookupBy} takes it */
  constructor(private readonly addressesOf: Resolve) {}

  /** Whether a name leads to an address that is not allowed. One that does not resolve yet may do so later. */
  async isForbidden(hostname: string): Promise<boolean> {
    if (isIP(hostname) || this.checking >= CHECKED_AT_ONCE) return false;
    this.checking += 1;
    const verdict = this.addressesOf(hostname)
      .then(
        () => false,
        (error: unknown) => error instanceof ForbiddenTarget,
      )
      .finally(() => (this.checking -= 1));
    return Promise.race([verdict, delay(RESOLVE_MS, false, { ref: false })]);
  }
}

/** The host as Node's `net` takes it: IPv6 without brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}
