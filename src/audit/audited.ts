import { SetMetadata } from '@nestjs/common';
import type { Request } from 'express';
import type { ServerResponse } from 'node:http';

/** The metadata key of a route's {@link AuditRule}. */
export const AUDITED = 'counterpart:audited';

/** Returns the subject of a request: kind and id, or null. `made` is the id of what it created, if known. */
export type SubjectOf = (request: Request, made: string | null) => string | null;

/** How the calls of a route are written to the audit log. */
export interface AuditRule {
  action: string;
  subject?: SubjectOf;
  /** The action for an export of the whole list, where the route also gives pages. */
  exported?: string;
  /** For a page of a list, which is about no single person: the answer does not wait until the entry is durable. */
  soon?: true;
  /**
   * The subject of one item of a list, such as `patients:11`. A page that names few people is a read about each of them:
   * it has an entry for each, and waits until they are durable.
   */
  subjectOfItem?: (item: never) => string;
  /** Answers without items disclose nothing and are not written: for routes that are polled. */
  unlessEmpty?: boolean;
}

/** Has each call of a route written to the audit log; reads before the first byte of the answer. */
export const Audited = (action: string, rule: Omit<AuditRule, 'action'> = {}) =>
  SetMetadata(AUDITED, { action, ...rule } satisfies AuditRule);

/** The subject named by a parameter of the route's path: `patient:11`. */
export function subjectOf(kind: string, parameter = 'id'): SubjectOf {
  return ({ params }) => `${kind}:${String(params[parameter])}`;
}

/** The subject that the request creates; its kind alone if it created nothing. */
export function newSubject(kind: string): SubjectOf {
  return (_, made) => (made === null ? kind : `${kind}:${made}`);
}

/** The outcome of a request. */
export interface RequestOutcome {
  /** How many items the answer has. */
  items?: number;
  /** The id of what was created. */
  made?: string;
  /** The subject, where the request does not name it. */
  subject?: string;
  isExport?: boolean;
}

const recorders = new WeakMap<ServerResponse, (outcome: RequestOutcome) => Promise<void>>();

/** Sets the function that records the outcome of a request. */
export function setOutcomeRecorder(response: ServerResponse, record: (outcome: RequestOutcome) => Promise<void>): void {
  recorders.set(response, record);
}

/**
 * Records the outcome of a request. For handlers that go on after their effect, or send their answer themselves; for all
 * others the audit interceptor does it before the answer is sent. Has no effect on routes that are not audited, nor when
 * called again.
 * @throws Refusal 503 if it cannot be recorded: then the answer must not be sent
 */
export async function recordOutcome(response: ServerResponse, outcome: RequestOutcome = {}): Promise<void> {
  await recorders.get(response)?.(outcome);
}
