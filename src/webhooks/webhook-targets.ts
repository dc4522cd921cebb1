import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../settings/config.js';
import { ForbiddenTarget, hostOf, lookupBy, type Resolve } from '../http/checked-lookup.js';
import { Refusal } from '../http/refusal.js';
import { isPublicAddress } from '../http/public-address.js';

/** Names that always resolve to the machine itself or into its network. */
const LOCAL_NAME = /(^|\.)(localhost|local|localdomain|internal)\.?$/i;

/** A slower name server is not waited for: the addresses are checked at each connection anyway. */
const RESOLVE_MS = 2_000;

/** Names of registrations that are looked up at a time, so that they leave room for deliveries. Others are not looked up. */
const CHECKED_AT_ONCE = 16;

/**
 * Decides where requests may go. Our server is inside a network that callers cannot reach: without this check, a caller
 * could have it send requests there (SSRF). With `WEBHOOK_TARGETS=any` every web address may be a target.
 */
export class WebhookTargets {
  private checking = 0;

  constructor(
    private readonly targets: Config['WEBHOOK_TARGETS'],
    private readonly resolve: Resolve,
  ) {}

  /**
   * The URL of a new endpoint in its normal form, in which an address has one spelling only.
   * @throws Refusal 400
   */
  async accept(text: string): Promise<string> {
    const url = URL.canParse(text) ? new URL(text) : null;
    if (!url || !['http:', 'https:'].includes(url.protocol)) throw refusal('invalid_url', 'This is not a web address.');
    if (url.username || url.password) throw refusal('invalid_url', 'The address must not contain a user or password.');
    if (this.targets === 'any') return url.href;
    if (url.protocol !== 'https:') throw refusal('https_required', 'The address must begin with https://.');
    if (!this.mayConnect(url) || (await this.resolvesInside(hostOf(url)))) {
      throw refusal('target_not_public', 'The address must be one on the public internet.');
    }
    return url.href;
  }

  /** Whether the URL itself allows a connection. A name is checked again by what it resolves to, in `lookup`. */
  mayConnect(url: URL): boolean {
    if (this.targets === 'any') return true;
    const host = hostOf(url);
    return url.protocol === 'https:' && (isIP(host) ? isPublicAddress(host) : !LOCAL_NAME.test(host));
  }

  /** For connections. One address that is not public forbids all. */
  readonly lookup = lookupBy((hostname) => this.addressesOf(hostname));

  private async addressesOf(hostname: string): Promise<LookupAddress[]> {
    const addresses = await this.resolve(hostname);
    if (this.targets === 'any') return addresses;
    if (addresses.length > 0 && addresses.every(({ address }) => isPublicAddress(address))) return addresses;
    throw new ForbiddenTarget();
  }

  /** Whether a name resolves to addresses that are not public. A name that does not resolve yet is allowed. */
  private async resolvesInside(hostname: string): Promise<boolean> {
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

function refusal(code: string, detail: string): Refusal {
  return Refusal.field('url', detail, code);
}
