import type { Request } from 'express';

/** The address that a request came from, by proxies as far as `TRUST_PROXY` allows; IPv4 in its own form on IPv6 sockets. */
export function callerAddress(request: Request): string {
  return (request.ip ?? 'unknown').replace(/^::ffff:(?=\d+\.)/i, '');
}
