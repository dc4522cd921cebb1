import type { IncomingMessage } from 'node:http';

/**
 * What a key may do. Changing anything wants `submit`, deciding about a held plan `approve`, reading `read`; `ops` is for
 * those who run the installation.
 */
export const SCOPES = ['submit', 'read', 'approve', 'ops'] as const;
export type Scope = (typeof SCOPES)[number];

/** Who sent a request. */
export interface Caller {
  /** The name of the key. */
  name: string;
  /** Null where no key was asked for. */
  keyId: string | null;
  /** The source that the key is bound to; null: any. */
  source: string | null;
  scopes: readonly Scope[];
}

/** Whoever calls while nobody is asked for a key (`AUTH=open`). */
export const ANYBODY: Caller = { name: 'anybody', keyId: null, source: null, scopes: SCOPES };

/** Whoever is not known, or not yet: may do nothing. */
export const STRANGER: Caller = { name: 'stranger', keyId: null, source: null, scopes: [] };

const callers = new WeakMap<IncomingMessage, Caller>();

/** Writes down who sent a request: done once, by whoever has checked the key. */
export function noteCaller(request: IncomingMessage, caller: Caller): void {
  callers.set(request, caller);
}

/** Who sent a request: a {@link STRANGER} unless somebody has looked. */
export function callerOf(request: IncomingMessage): Caller {
  return callers.get(request) ?? STRANGER;
}
