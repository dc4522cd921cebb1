import { randomUUID } from 'node:crypto';

/** The injection token of this instance's name. */
export const INSTANCE = Symbol('INSTANCE');

/**
 * A name for one running instance, new at each start. Leases are held under it, and it is the `application_name` of its
 * sessions in PostgreSQL, so that the database shows which process does what.
 */
export function newInstanceName(): string {
  return `counterpart ${randomUUID()}`;
}
