import { BlockList, isIP } from 'node:net';

/** Addresses that reach only the machine itself (RFC 1122, section 3.2.1.3, and RFC 4291, section 2.5.3). */
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether a host's name or IP address (without brackets or port) can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host.toLowerCase() === 'localhost';
  return LOOPBACK.check(host, family === 6 ? 'ipv6' : 'ipv4');
}
