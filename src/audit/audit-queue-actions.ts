import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { callerOf } from '../platform/caller.js';
import { sendProblem } from '../platform/problem.filter.js';
import { Refusal } from '../platform/refusal.js';
import { AuditLog } from './audit-log.js';
import { entryOf } from './audited-request.js';

/**
 * Stands before the dashboard of the queues, which is no route of ours: whoever touches a queue touches the work of all
 * sources, so it takes a key of no single one, and is written down before it is done.
 */
export function auditQueueActions(log: AuditLog): RequestHandler {
  return async (request: Request, response: Response, next: NextFunction) => {
    if (request.method === 'GET' || request.method === 'HEAD') {
      next();
      return;
    }
    if (callerOf(request).source !== null) {
      sendProblem(response, new Refusal(403, 'operators_only', 'The queues are those of all sources.'));
      return;
    }
    const subject = `queues:${request.path.replace(/^\/api\/queues\//, '')}`;
    const rule = { action: 'queue.touched', subject: () => subject };
    await log.write(entryOf(request, rule, 200));
    next();
  };
}
