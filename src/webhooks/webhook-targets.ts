import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import type { Config } from '../settings/config.js';
import { ForbiddenTarget, hostOf, lookupBy, type Resolve, TargetCheck } from '../http/checked-lookup.js';
import { Refusal } from '../http/refusal.js';
import { isPublicAddress } from '../http/public-address.js';

/** Names that always resolve to the machine itself or into its network. */
const LOCAL_NAME = /(^|\.)(localhost|local|localdomain|internal)\.?$/i;

/**
 * Decides where requests may go. Our server is inside a network that callers cannot reach: without this check, a caller
 * could have it send requests there (SSRF). With `WEBHOOK_TARGETS=any` every web address may be a target.
 */
export class WebhookTargets {
  private readonly check = new TargetCheck((hostname) => this.addressesOf(hostname));

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
    if (!this.mayConnect(url) || (await this.check.isForbidden(hostOf(url)))) {
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
}

function refusal(code: string, detail: string): Refusal {
  return Refusal.field('url', detail, code);
}
