import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../platform/loopback.js';

/** Methods that change nothing (RFC 9110, section 9.2.1). */
const SAFE = ['GET', 'HEAD', 'OPTIONS'];

export function changesSomething(request: IncomingMessage): boolean {
  return !SAFE.includes(request.method ?? '');
}

/** Whether a browser says that another site made it send this. Programs say nothing of the kind. */
export function comesFromElsewhere(request: IncomingMessage): boolean {
  const site = fetchSite(request);
  return (site !== undefined && !isOwn(site)) || (request.headers.origin !== undefined && !isOwnOrigin(request));
}

/**
 * Whether a browser says that a page of ours, or its user, made it send this. `Sec-Fetch-Site` is believed first: behind
 * a proxy the `Host` may be another than the browser's.
 */
export function comesFromOurselves(request: IncomingMessage): boolean {
  const site = fetchSite(request);
  return site === undefined ? isOwnOrigin(request) : isOwn(site);
}

/**
 * Whether the `Host` of a request is one by which a server is called that listens on `host` of this machine alone. A
 * stranger's name that was made to point here (DNS rebinding) would let its pages read our answers.
 */
export function isCalledAs(request: IncomingMessage, host: string): boolean {
  const name = hostOf(request, 'http')?.hostname.replace(/^\[|\]$/g, '');
  return name !== undefined && (isLoopback(name) || name === host.toLowerCase());
}

/** https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header */
function fetchSite(request: IncomingMessage): string | undefined {
  return request.headersDistinct['sec-fetch-site']?.join();
}

function isOwn(site: string): boolean {
  return site === 'same-origin' || site === 'none';
}

function isOwnOrigin(request: IncomingMessage): boolean {
  const { origin = '' } = request.headers;
  if (!/^https?:\/\//.test(origin) || !URL.canParse(origin)) return false;
  const { protocol, host } = new URL(origin);
  return hostOf(request, protocol.slice(0, -1))?.host === host;
}

/** The `Host` header, in the spelling of URLs: lower case, without the port that the scheme has anyway. */
function hostOf(request: IncomingMessage, scheme: string): URL | undefined {
  const { host = '' } = request.headers;
  const url = `${scheme}://${host}`;
  return /^[A-Za-z0-9._:[\]-]+$/.test(host) && URL.canParse(url) ? new URL(url) : undefined;
}
