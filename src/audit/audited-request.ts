import type { Request } from 'express';
import type { AuditEntry, AuditOutcome } from './append-audit.js';
import type { AuditRule, RequestOutcome } from './audited.js';
import { callerAddress } from '../http/caller-address.js';
import { callerOf } from '../http/caller.js';
import { callerSource } from '../http/caller-source.js';

/** The entry for a request with the result `done` that is answered with `status`. */
export function entryOf(request: Request, rule: AuditRule, status: number, done: RequestOutcome = {}): AuditEntry {
  const { name, keyId } = callerOf(request);
  const { exported = rule.action } = rule;
  return {
    actor: name,
    keyId,
    source: sourceOf(request),
    action: done.isExport ? exported : rule.action,
    subject: done.subject ?? rule.subject?.(request, done.made ?? null) ?? null,
    items: done.items ?? null,
    address: callerAddress(request),
    requestId: String(request.id),
    outcome: outcomeOf(status),
    status,
  };
}

function outcomeOf(status: number): AuditOutcome {
  if (status < 400) return 'allowed';
  return status < 500 ? 'refused' : 'failed';
}

/** Null if the request was refused because of the source that it names. */
function sourceOf(request: Request): string | null {
  try {
    return callerSource(request);
  } catch {
    return null;
  }
}

const leftToInterceptor = new WeakSet<Request>();

/** The request has passed all guards: from here on the interceptor audits it, whatever becomes of it. */
export function leaveToInterceptor(request: Request): void {
  leftToInterceptor.add(request);
}

/** Whether a guard has refused the request, so that the interceptor never saw it. */
export function wasRefusedByGuard(request: Request): boolean {
  return !leftToInterceptor.has(request);
}
