import type { IncomingMessage } from 'node:http';

/**
 * What a key may do. Changes need `submit`, decisions on a held plan `approve`, reading `read`; `ops` is for operators of
 * the installation.
 */
export const SCOPES = ['submit', 'read', 'approve', 'ops'] as const;
export type Scope = (typeof SCOPES)[number];

/** Who sent a request. */
export interface Caller {
  /** The name of the key. */
  name: string;
  /** Null where no key is required. */
  keyId: string | null;
  /** The source that the key is bound to; null: any. */
  source: string | null;
  scopes: readonly Scope[];
}

/** Every caller while no keys are required (`AUTH=open`). */
export const ANYBODY: Caller = { name: 'anybody', keyId: null, source: null, scopes: SCOPES };

/** A caller who is not authenticated, or not yet: may do nothing. */
export const STRANGER: Caller = { name: 'stranger', keyId: null, source: null, scopes: [] };

const callers = new WeakMap<IncomingMessage, Caller>();

/** Records who sent a request: called once, after the key has been checked. */
export function noteCaller(request: IncomingMessage, caller: Caller): void {
  callers.set(request, caller);
}

/** Who sent a request: a {@link STRANGER} unless the caller was authenticated. */
export function callerOf(request: IncomingMessage): Caller {
  return callers.get(request) ?? STRANGER;
}
