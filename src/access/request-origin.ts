import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../settings/loopback.js';

/** A name has at most 253 characters (RFC 1035), and a port five. A longer text is parsed by nothing. */
const MAX_HOST_CHARACTERS = 260;

/** Methods that change nothing (RFC 9110, section 9.2.1). */
const SAFE = ['GET', 'HEAD', 'OPTIONS'];

export function changesSomething(request: IncomingMessage): boolean {
  return !SAFE.includes(request.method ?? '');
}

/** Whether a browser says that another site made it send this. Other programs send no such headers. */
export function comesFromElsewhere(request: IncomingMessage): boolean {
  const site = fetchSite(request);
  return (site !== undefined && !isOwn(site)) || (request.headers.origin !== undefined && !isOwnOrigin(request));
}

/**
 * Whether a browser says that a page of ours, or its user, made it send this. `Sec-Fetch-Site` is preferred to
 * `Origin`: behind a proxy the `Host` may differ from the one that the browser used.
 */
export function comesFromOurselves(request: IncomingMessage): boolean {
  const site = fetchSite(request);
  return site === undefined ? isOwnOrigin(request) : isOwn(site);
}

/**
 * Whether the `Host` of a request fits a server that listens on `host` of this machine only. Otherwise another site
 * could point its own name here (DNS rebinding), and its pages could read our answers.
 */
export function isCalledAs(request: IncomingMessage, host: string): boolean {
  const name = hostOf(request, 'http')?.hostname.replace(/^\[|\]$/g, '');
  return name !== undefined && (isLoopback(name) || name === host.toLowerCase());
}

/** Whether a proxy says that it passes on a request: by `Forwarded` (RFC 7239) or the older `X-Forwarded-For`, `-Host` … */
export function isForwarded({ headers }: IncomingMessage): boolean {
  return Object.keys(headers).some((name) => name === 'forwarded' || name.startsWith('x-forwarded-'));
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
  if (origin.length > 'https://'.length + MAX_HOST_CHARACTERS) return false;
  if (!/^https?:\/\//.test(origin) || !URL.canParse(origin)) return false;
  const { protocol, host } = new URL(origin);
  return hostOf(request, protocol.slice(0, -1))?.host === host;
}

/** The `Host` header, normalised as in URLs: lower case, without the default port of the scheme. */
function hostOf(request: IncomingMessage, scheme: string): URL | undefined {
  const { host = '' } = request.headers;
  if (host.length > MAX_HOST_CHARACTERS) return undefined;
  const url = `${scheme}://${host}`;
  return /^[A-Za-z0-9._:[\]-]+$/.test(host) && URL.canParse(url) ? new URL(url) : undefined;
}
