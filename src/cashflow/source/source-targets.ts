import { type BlockList, isIP } from 'node:net';
import { ForbiddenTarget, hostOf, lookupBy, type Resolve, TargetCheck } from '../../http/checked-lookup.js';
import { isPublicAddress } from '../../http/public-address.js';
import { Refusal } from '../../http/refusal.js';
import { isLoopback } from '../../settings/loopback.js';
import type { Targets } from '../../settings/targets.js';

/** Where pulls may go besides public addresses. */
export interface SourceTargetRules {
  /** Null: nothing was set. */
  targets: Targets | null;
  /** Whether anybody on this machine may do anything: then pulls reach it too, unless targets were set. */
  isOpen: boolean;
}

/**
 * Decides which sources may be pulled from: public addresses, and those of `PULL_TARGETS`. Our server is inside a network that
 * callers cannot reach: without this check, a caller could have it read from there (SSRF).
 */
export class SourceTargets {
  private readonly check = new TargetCheck((hostname) => this.addressesOf(hostname));

  constructor(
    private readonly rules: SourceTargetRules,
    private readonly resolve: Resolve,
  ) {}

  /**
   * The address of a source in its normal form: without a slash at its end.
   * @throws Refusal 400
   */
  async accept(text: string): Promise<string> {
    const url = URL.canParse(text) ? new URL(text) : null;
    if (!url || !['http:', 'https:'].includes(url.protocol)) throw refusal('invalid_url', 'This is not a web address.');
    if (url.username || url.password) throw refusal('invalid_url', 'The address must not contain a user or password.');
    if (url.search || url.hash) throw refusal('invalid_url', 'The address must not contain a query or fragment.');
    if (!this.mayConnect(url) || (await this.check.isForbidden(hostOf(url)))) {
      throw refusal('target_not_allowed', 'The address must be a public one, or one of PULL_TARGETS.');
    }
    return url.href.replace(/\/$/, '');
  }

  /** Whether the URL itself allows a connection. A name is checked by what it resolves to, in `lookup`. */
  mayConnect(url: URL): boolean {
    const host = hostOf(url);
    return isIP(host) === 0 || this.mayReach(host);
  }

  /** For connections. One address that is not allowed forbids all. */
  readonly lookup = lookupBy((hostname) => this.addressesOf(hostname));

  private async addressesOf(hostname: string) {
    const addresses = await this.resolve(hostname);
    if (this.rules.targets?.names.has(hostname.toLowerCase().replace(/\.$/, ''))) return addresses;
    if (addresses.length > 0 && addresses.every(({ address }) => this.mayReach(address))) return addresses;
    throw new ForbiddenTarget();
  }

  private mayReach(address: string): boolean {
    const { targets, isOpen } = this.rules;
    if (isPublicAddress(address)) return true;
    return targets === null ? isOpen && isLoopback(address) : holds(targets.addresses, address);
  }
}

function holds(addresses: BlockList, address: string): boolean {
  const version = isIP(address);
  return version !== 0 && addresses.check(address, version === 4 ? 'ipv4' : 'ipv6');
}

function refusal(code: string, detail: string): Refusal {
  return Refusal.field('baseUrl', detail, code);
}
