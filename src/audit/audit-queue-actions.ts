import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { callerOf } from '../http/caller.js';
import { sendProblem } from '../http/problem.filter.js';
import { Refusal } from '../http/refusal.js';
import { AuditLog } from './audit-log.js';
import { entryOf } from './audited-request.js';

/**
 * Middleware before the queue dashboard, which is not a route of ours. An action on a queue affects the work of all
 * sources, so it requires a key that is bound to no source, and is audited before it is done.
 */
export function auditQueueActions(log: AuditLog): RequestHandler {
  return async (request: Request, response: Response, next: NextFunction) => {
    if (request.method === 'GET' || request.method === 'HEAD') {
      next();
      return;
    }
    if (callerOf(request).source !== null) {
      sendProblem(
        response,
        new Refusal(
          403,
          'operators_only',
          'The queues belong to all sources, so this needs a key that is bound to none.',
        ),
      );
      return;
    }
    const subject = `queues:${request.path.replace(/^\/api\/queues\//, '')}`;
    const rule = { action: 'queue.touched', subject: () => subject };
    await log.write(entryOf(request, rule, 200));
    next();
  };
}
