import type { LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';

/**
 * Look-ups at a time: those of all deliveries that a process sends at a time (48) and of the registrations that it checks
 * (16). Further ones fail, so that slow name servers hold a limited number of sockets.
 */
const AT_ONCE = 64;

/** How long a name server may take for one question, and how often it is asked. */
const QUESTION = { timeout: 1_500, tries: 2 };

/** A look-up with several name servers, each of which is slow, ends then. */
const MAX_MS = 5_000;

/** Answers that mean that a name has no address. */
const NO_SUCH_NAME = ['ENOTFOUND', 'ENODATA'];

/** RFC 6761, section 6.3: these names never leave the machine. */
const LOCALHOST = /(^|\.)localhost$/;
const LOOPBACK: LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

/** Other places to look names up than those of the machine, for tests. */
export interface NameSources {
  hostsFile?: string;
  servers?: string[];
}

/**
 * Finds the addresses of names: in the machine's hosts file, else at its name servers. `dns.lookup` would occupy one of the
 * four threads of the process for as long as a name server does not answer. Four such names, which any caller can
 * register, would stop all compression, file access and other look-ups. Search domains of the machine are not tried.
 */
export class NameResolver {
  private readonly hostsFile: string;
  private running = 0;

  constructor(private readonly sources: NameSources = {}) {
    this.hostsFile = sources.hostsFile ?? '/etc/hosts';
  }

  /**
   * All addresses of a name.
   * @throws Error with the code ENOTFOUND if it has none, EAI_AGAIN if that is not known at the moment
   */
  async resolve(hostname: string): Promise<LookupAddress[]> {
    const name = hostname.toLowerCase().replace(/\.$/, '');
    const local = await this.inHostsFile(name);
    if (local.length > 0) return local;
    if (LOCALHOST.test(name)) return LOOPBACK;
    if (this.running >= AT_ONCE) throw unresolved(false);
    this.running += 1;
    try {
      return await this.ask(name);
    } finally {
      this.running -= 1;
    }
  }

  private async inHostsFile(name: string): Promise<LookupAddress[]> {
    // Windows keeps it elsewhere, and a container may have none.
    const text = await readFile(this.hostsFile, 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => {
      const [address = '', ...names] = (line.split('#')[0] ?? '').trim().split(/\s+/);
      const isMeant = isIP(address) !== 0 && names.some((other) => other.toLowerCase() === name);
      return isMeant ? [{ address, family: isIP(address) }] : [];
    });
  }

  /** A resolver for each look-up, so that it can be cancelled by itself. */
  private async ask(name: string): Promise<LookupAddress[]> {
    const resolver = new Resolver(QUESTION);
    if (this.sources.servers) resolver.setServers(this.sources.servers);
    const limit = setTimeout(() => resolver.cancel(), MAX_MS);
    try {
      const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
      const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
      if (addresses.length > 0) return addresses.map((address) => ({ address, family: isIP(address) }));
      throw unresolved(answers.every((answer) => answer.status === 'fulfilled' || isNoSuchName(answer.reason)));
    } finally {
      clearTimeout(limit);
    }
  }
}

function isNoSuchName(reason: unknown): boolean {
  return NO_SUCH_NAME.includes(String((reason as { code?: unknown }).code));
}

/** In the codes of `dns.lookup`: those of a name server would be taken for errors of the receiver. */
function unresolved(isKnown: boolean): Error {
  return Object.assign(new Error('the name does not resolve'), { code: isKnown ? 'ENOTFOUND' : 'EAI_AGAIN' });
}
