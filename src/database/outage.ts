/**
 * What drivers report when PostgreSQL or Redis cannot be reached or went away. PostgreSQL classes 08 (connection
 * exception), 53 (insufficient resources) and 57P (operator intervention: shutdown, crash, cannot connect now), see
 * https://www.postgresql.org/docs/18/errcodes-appendix.html; the rest are Node's own system errors.
 */
const OUTAGE_CODES =
  /^(08\w{3}|53\w{3}|57P\w{2}|ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EHOSTUNREACH)$/;

/** `pg` has no codes for these. */
const OUTAGE_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Cannot use a pool after|Client was closed and is not queryable|Connection is closed)/;

/** PostgreSQL has no disk space left, https://www.postgresql.org/docs/18/errcodes-appendix.html. */
const DISK_FULL = '53100';

/** PostgreSQL cancelled a statement that took too long, or that waited too long for a lock. */
const TOO_SLOW = ['57014', '55P03'];

/** The parts of an error that are checked. By shape: Node's own errors have classes of another realm in Jest and workers. */
type ErrorLike = Partial<Record<'code' | 'message' | 'cause' | 'previous' | 'errors', unknown>>;

/** Whether an error means that a service is unavailable, rather than a bug of ours. Looks through wrapped errors. */
export function isOutage(thrown: unknown, depth = 0): boolean {
  if (typeof thrown !== 'object' || thrown === null || depth > 5) return false;
  const { code, message, cause, previous, errors } = thrown as ErrorLike;
  if (typeof code === 'string' && OUTAGE_CODES.test(code)) return true;
  if (typeof message === 'string' && OUTAGE_MESSAGES.test(message)) return true;
  const inner = [cause, previous, ...(Array.isArray(errors) ? (errors as unknown[]) : [])];
  return inner.some((error) => isOutage(error, depth + 1));
}

/** Whether the database has no disk space for a write. */
export function isDiskFull(thrown: unknown): boolean {
  return sqlState(thrown) === DISK_FULL;
}

/** Whether the database cancelled a statement because of one of the time limits that we set. */
export function isTooSlow(thrown: unknown): boolean {
  return TOO_SLOW.includes(sqlState(thrown) ?? '');
}

/** PostgreSQL's five-character error code, also of a wrapped error; null if it is not an error of PostgreSQL. */
export function sqlState(thrown: unknown, depth = 0): string | null {
  if (typeof thrown !== 'object' || thrown === null || depth > 5) return null;
  const { code, cause, previous } = thrown as ErrorLike;
  if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return code;
  return sqlState(cause, depth + 1) ?? sqlState(previous, depth + 1);
}
