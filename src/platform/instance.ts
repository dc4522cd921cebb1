import { randomUUID } from 'node:crypto';

/** The injection token of this instance's name. */
export const INSTANCE = Symbol('INSTANCE');

/**
 * A name for one running instance, new at each start. It holds claims, and its sessions in PostgreSQL bear it as their
 * `application_name`: so whoever looks into the database sees which process does what.
 */
export function newInstanceName(): string {
  return `counterpart ${randomUUID()}`;
}
