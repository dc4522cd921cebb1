import type { Params } from 'nestjs-pino';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from './config.js';

/** What a caller may name a request; anything else gets a name of ours. */
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/**
 * JSON lines on standard output. Of a request only its method, path and status are logged: no query string, no header,
 * no body. Paths can hold external ids, which the contract allows; names and amounts are in none.
 */
export function loggingOptions(config: Config): Params {
  return {
    pinoHttp: {
      level: config.LOG_LEVEL,
      genReqId: (request: IncomingMessage) => String(request.id),
      serializers: {
        req: (request: { id: unknown; method: string; url: string }) => ({
          id: request.id,
          method: request.method,
          path: request.url.split('?')[0],
        }),
        res: (response: { statusCode: number }) => ({ status: response.statusCode }),
        err: (error: unknown) => (error instanceof Error ? { type: error.constructor.name } : error),
      },
      autoLogging: { ignore: (request: IncomingMessage) => (request.url ?? '').startsWith('/health') },
    },
  };
}

/** Gives a request its name and tells it with the answer. The first of all middleware: every answer has to carry it. */
export function nameRequest(request: IncomingMessage, response: ServerResponse, next: () => void): void {
  const given = request.headers['x-request-id'];
  request.id = typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
  response.setHeader('X-Request-Id', request.id);
  next();
}
