import type { Request, Response } from 'express';
import type { Params } from 'nestjs-pino';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from './config.js';
import { loggedPath } from './logged-path.js';
import { safeError } from './safe-error.js';

/** What a caller may name a request; anything else gets a name of ours. */
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/**
 * All that a line may hold besides its time, its level, its message and the request's id. Whatever else code hands to a
 * logger is left out, and only its name is told: what is logged is decided here, not by whoever logs.
 */
export const LOGGED_FIELDS: ReadonlySet<string> = new Set([
  // The request's id, where a line is not about a request that is logged itself.
  'reqId',
  // Who logs: a class of ours or of a library.
  'context',
  // Of a request: its method, its path as `loggedPath` tells it, its status, its milliseconds.
  'req',
  'res',
  'path',
  'responseTime',
  // From where somebody came who was not let in, and how.
  'address',
  'method',
  // Kind, code and stack of an error, never its message.
  'err',
  // Entries that the audit log could not take: who did what to which id, never what it holds.
  'entries',
  // Ids of ours.
  'job',
  'snapshot',
  'webhook',
  'delivery',
  'claim',
  // How a job ended, and the seconds of each of its phases.
  'status',
  'phases',
  // Why an endpoint was disabled, or a request not let in: one of our own words.
  'reason',
]);

/** JSON lines on standard output, without query strings, headers, bodies, names, amounts and external ids. */
export function loggingOptions(config: Config): Params {
  return {
    pinoHttp: {
      level: config.LOG_LEVEL,
      genReqId: (request: IncomingMessage) => String(request.id),
      // The request is told when it is answered, as nobody knows its route before.
      quietReqLogger: true,
      quietResLogger: true,
      customSuccessObject: (req: IncomingMessage, _: ServerResponse, line: object) => ({ ...line, req }),
      // Without the error that pino makes up of the status: its stack is pino's own. What failed has a line of its own.
      customErrorObject: (req: IncomingMessage, res: ServerResponse, _: Error, line: object) => ({
        ...line,
        req,
        ...(res.errored ? {} : { err: undefined }),
      }),
      wrapSerializers: false,
      serializers: {
        req: (request: Request) => ({ method: request.method, path: loggedPath(request) }),
        res: (response: Response) => ({ status: response.statusCode }),
        err: safeError,
      },
      formatters: { log: allowed },
      hooks: {
        logMethod(args, method) {
          const [what, ...rest] = args as unknown[];
          // Without a message pino would take the error's own, which may quote anything.
          const isSilent = typeof what === 'object' && rest.length === 0;
          method.apply(this, isSilent ? [what, 'no message'] : args);
        },
      },
      autoLogging: { ignore: (request: IncomingMessage) => (request.url ?? '').startsWith('/health') },
    },
  };
}

/** The fields of a line that may be logged, and the names of those that were left out. */
function allowed(line: Record<string, unknown>): Record<string, unknown> {
  const left = Object.keys(line).filter((name) => !LOGGED_FIELDS.has(name));
  if (left.length === 0) return line;
  const kept = Object.entries(line).filter(([name]) => LOGGED_FIELDS.has(name));
  return { ...Object.fromEntries(kept), leftOut: left };
}

/** Gives a request its name and tells it with the answer. The first of all middleware: every answer has to carry it. */
export function nameRequest(request: IncomingMessage, response: ServerResponse, next: () => void): void {
  const given = request.headers['x-request-id'];
  request.id = typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
  response.setHeader('X-Request-Id', request.id);
  next();
}
