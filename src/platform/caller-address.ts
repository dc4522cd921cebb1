import type { Request } from 'express';

/** The address that a request came from, as far as `TRUST_PROXY` lets proxies tell it; IPv4 as such, also on an IPv6 socket. */
export function callerAddress(request: Request): string {
  return (request.ip ?? 'unknown').replace(/^::ffff:(?=\d+\.)/i, '');
}
