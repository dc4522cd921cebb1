import type { NextFunction, Request, Response } from 'express';
import { Refusal } from './refusal.js';

/** A browser behind three proxies sends some 40. Each one costs memory before anybody has looked at it. */
const MAX_HEADERS = 100;

/** Refuses requests whose address is too long, that have too many headers, or that have none at all. @throws Refusal 414, 431 or 505 */
export function requestLimits(maxUrlBytes: number) {
  return (request: Request, _response: Response, next: NextFunction): void => {
    // Node reads it still, and nobody speaks it but those who look for a way around something.
    if (request.httpVersionMajor < 1) throw new Refusal(505, 'http_version', 'HTTP/1.0 or HTTP/1.1, please.');
    if (request.originalUrl.length > maxUrlBytes) {
      throw new Refusal(414, 'uri_too_long', `The address of a request may have ${maxUrlBytes} bytes at most.`);
    }
    if (request.rawHeaders.length / 2 > MAX_HEADERS) {
      throw new Refusal(431, 'too_many_headers', `A request may have ${MAX_HEADERS} headers at most.`);
    }
    next();
  };
}
