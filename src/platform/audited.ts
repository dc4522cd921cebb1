import { SetMetadata } from '@nestjs/common';
import type { Request } from 'express';
import type { ServerResponse } from 'node:http';

/** Where a route says how the audit log calls it. */
export const AUDITED = 'counterpart:audited';

/** Tells what a request is about: its kind and id, or null. `made` is the id of what it brought into being, if known. */
export type SubjectOf = (request: Request, made: string | null) => string | null;

/** How the audit log calls what a route does. */
export interface AuditRule {
  action: string;
  subject?: SubjectOf;
  /** The action of having the whole list as a file, where the route gives pages as well. */
  exported?: string;
  /** For a page of a list, which is about nobody in particular: nobody waits until that is durable. */
  soon?: true;
  /** An answer without items hands nothing out and is not written: for those who ask all the time. */
  unlessEmpty?: boolean;
}

/** Has each call of a route written to the audit log: of reads before the first byte of the answer. */
export const Audited = (action: string, rule: Omit<AuditRule, 'action'> = {}) =>
  SetMetadata(AUDITED, { action, ...rule } satisfies AuditRule);

/** The subject that a parameter of the route's path names: `patient:11`. */
export function subjectOf(kind: string, parameter = 'id'): SubjectOf {
  return ({ params }) => `${kind}:${String(params[parameter])}`;
}

/** The subject that the request brings into being; its kind alone if it came to nothing. */
export function newSubject(kind: string): SubjectOf {
  return (_, made) => (made === null ? kind : `${kind}:${made}`);
}

/** What a request has come to. */
export interface Done {
  /** How many items the answer has. */
  items?: number;
  /** The id of what came into being. */
  made?: string;
  isExport?: boolean;
}

const witnesses = new WeakMap<ServerResponse, (done: Done) => Promise<void>>();

/** Names who writes down what comes of a request. */
export function setWitness(response: ServerResponse, write: (done: Done) => Promise<void>): void {
  witnesses.set(response, write);
}

/**
 * Has written down what a request has come to. For handlers that wait after the deed, or send their answer themselves;
 * what others answer is written down before it is sent without their doing. Nothing is written of routes that are not
 * audited, nor a second time.
 * @throws Refusal 503 if it cannot be written: then nothing may be handed out
 */
export async function tellAudit(response: ServerResponse, done: Done = {}): Promise<void> {
  await witnesses.get(response)?.(done);
}
