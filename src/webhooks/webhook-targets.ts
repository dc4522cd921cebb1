import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { callbackify } from 'node:util';
import type { Config } from '../platform/config.js';
import { Refusal } from '../platform/refusal.js';
import { isPublicAddress } from './public-address.js';

/** Finds all addresses of a name. */
export type Resolve = (hostname: string) => Promise<LookupAddress[]>;

/** Names that lead to the machine itself or into its network, wherever they are asked for. */
const LOCAL_NAME = /(^|\.)(localhost|local|localdomain|internal)\.?$/i;

/** A name server that needs longer is not waited for: what it would say is checked at each connection anyway. */
const RESOLVE_MS = 2_000;

/** The address of an endpoint is, or has become, one that nothing may be sent to. */
export class ForbiddenTarget extends Error {
  readonly code = 'FORBIDDEN_TARGET';

  constructor() {
    super('the receiver is not at a public address');
  }
}

/**
 * Decides where requests may go. Our server stands inside a network that a caller cannot reach: without this, a caller
 * could have it send requests there (SSRF). With `WEBHOOK_TARGETS=any` everything that is a web address may be a target.
 */
export class WebhookTargets {
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
    if (!url || !['http:', 'https:'].includes(url.protocol)) throw refusal('invalid_url', 'This is no web address.');
    if (url.username || url.password)
      throw refusal('invalid_url', 'A web address with a user or password is not taken.');
    if (this.targets === 'any') return url.href;
    if (url.protocol !== 'https:') throw refusal('https_required', 'The address must begin with https://.');
    if (!this.mayConnect(url) || (await this.leadsInside(hostOf(url)))) {
      throw refusal('target_not_public', 'The address must be one on the public internet.');
    }
    return url.href;
  }

  /** Whether the URL itself forbids a connection. A name is judged once more by what it resolves to, in `lookup`. */
  mayConnect(url: URL): boolean {
    if (this.targets === 'any') return true;
    const host = hostOf(url);
    return url.protocol === 'https:' && (isIP(host) ? isPublicAddress(host) : !LOCAL_NAME.test(host));
  }

  /**
   * In place of `dns.lookup` for a connection: what it lets through is what is connected to, so that a name cannot lead
   * elsewhere between the check and the connection (DNS rebinding). One address that is not public forbids them all.
   */
  readonly lookup: LookupFunction = (hostname, options, done) => {
    callbackify(() => this.addressesOf(hostname))((error, addresses) => {
      const [first] = addresses ?? [];
      if (error || options.all) done(error, addresses ?? []);
      else done(null, first?.address ?? '', first?.family);
    });
  };

  private async addressesOf(hostname: string): Promise<LookupAddress[]> {
    const addresses = await this.resolve(hostname);
    if (this.targets === 'any') return addresses;
    if (addresses.length > 0 && addresses.every(({ address }) => isPublicAddress(address))) return addresses;
    throw new ForbiddenTarget();
  }

  /** Whether a name is known to lead to addresses that are not public. One that is not known yet may come to be. */
  private async leadsInside(hostname: string): Promise<boolean> {
    if (isIP(hostname)) return false;
    const verdict = this.addressesOf(hostname).then(
      () => false,
      (error: unknown) => error instanceof ForbiddenTarget,
    );
    return Promise.race([verdict, delay(RESOLVE_MS, false, { ref: false })]);
  }
}

/** The host as Node's `net` takes it: IPv6 without brackets. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

function refusal(code: string, detail: string): Refusal {
  return Refusal.field('url', detail, code);
}
