import { timingSafeEqual } from 'node:crypto';
import { userName } from '../values/user-name.js';
import { type Caller, SCOPES } from '../http/caller.js';
import { digestOf } from './key-text.js';

/** The injection token of the {@link OperatorKey}. */
export const OPERATOR_KEY = Symbol('OPERATOR_KEY');

/**
 * A key that is known only to the process in which the server runs, so that a server which the command line starts for
 * itself is not open to other users of the machine. It is stored nowhere and ends with the process.
 */
export class OperatorKey {
  private readonly digest: Buffer | null;

  /** @param key null for a server without such a key, which is the usual case */
  constructor(key: string | null) {
    this.digest = key === null ? null : digestOf(key);
  }

  get exists(): boolean {
    return this.digest !== null;
  }

  /** The caller that this key identifies, with all scopes; null if it is another key. */
  holder(key: string): Caller | null {
    if (this.digest === null || !timingSafeEqual(this.digest, digestOf(key))) return null;
    return { name: `cli:${userName()}`, keyId: null, source: null, scopes: SCOPES };
  }
}
