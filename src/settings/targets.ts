import { BlockList, isIP } from 'node:net';
import { isLoopback } from './loopback.js';

/** Names of hosts that may be reached, in lower case, and addresses. */
export interface Targets {
  names: ReadonlySet<string>;
  addresses: BlockList;
}

const MAX_TARGETS = 100;

const NAME = /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63}){0,20}$/;

/**
 * Reads hosts, addresses and networks (`bank.example,10.0.0.5,10.1.0.0/16`). `localhost` and `loopback` mean all addresses of
 * the machine itself. @throws Error naming the part that is none of these
 */
export function readTargets(text: string): Targets {
  const names = new Set<string>();
  const addresses = new BlockList();
  const parts = text.split(',').map((part) => part.trim().toLowerCase());
  if (parts.length > MAX_TARGETS) throw new Error(`must be at most ${MAX_TARGETS} targets`);
  for (const part of parts) {
    if (!addAddress(addresses, part)) {
      if (!NAME.test(part))
        throw new Error('must be hosts, addresses and networks such as 10.1.0.0/16, separated by commas');
      names.add(part);
    }
  }
  return { names, addresses };
}

function addAddress(addresses: BlockList, part: string): boolean {
  if (part === 'loopback' || isLoopback(part)) addLoopback(addresses);
  const [address = '', bits] = part.split('/');
  const version = isIP(address);
  if (version === 0) return part === 'loopback' || isLoopback(part);
  const family = version === 4 ? 'ipv4' : 'ipv6';
  if (bits === undefined) {
    addresses.addAddress(address, family);
    return true;
  }
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > (version === 4 ? 32 : 128)) return false;
  addresses.addSubnet(address, Number(bits), family);
  return true;
}

function addLoopback(addresses: BlockList): void {
  addresses.addSubnet('127.0.0.0', 8, 'ipv4');
  addresses.addAddress('::1', 'ipv6');
}
