import type { NextFunction, Request, Response } from 'express';
import { Refusal } from './refusal.js';

/** A browser behind three proxies sends some 40. Each one costs memory before the request is authenticated. */
const MAX_HEADERS = 100;

/** Refuses requests with too long an address, too many headers, or an HTTP version before 1.0. and queries that are no text. @throws Refusal 400, 414, 431 or 505 */
export function requestLimits(maxUrlBytes: number) {
  return (request: Request, _response: Response, next: NextFunction): void => {
    // Node still reads HTTP/0.9, which today is only used to get around checks.
    if (request.httpVersionMajor < 1)
      throw new Refusal(505, 'http_version', 'The request must be HTTP/1.0 or HTTP/1.1.');
    if (request.originalUrl.length > maxUrlBytes) {
      throw new Refusal(414, 'uri_too_long', `The address of a request may have at most ${maxUrlBytes} bytes.`);
    }
    if (!isDecodable(request.originalUrl))
      throw new Refusal(400, 'bad_request', 'The query is not percent-encoded UTF-8.');
    if (request.rawHeaders.length / 2 > MAX_HEADERS) {
      throw new Refusal(431, 'too_many_headers', `A request may have at most ${MAX_HEADERS} headers.`);
    }
    next();
  };
}

/** Node's reader of queries takes any bytes, and makes U+FFFD of those that are no UTF-8. */
function isDecodable(url: string): boolean {
  const start = url.indexOf('?');
  if (start === -1 || !url.includes('%', start)) return true;
  try {
    decodeURIComponent(url.slice(start + 1));
    return true;
  } catch {
    return false;
  }
}
