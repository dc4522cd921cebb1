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

/** Whether an error means that a service is away rather than that we did something wrong. Looks through wrapped errors. */
export function isOutage(thrown: unknown, depth = 0): boolean {
  if (!(thrown instanceof Error) || depth > 5) return false;
  const { code, cause, errors } = thrown as { code?: unknown; cause?: unknown; errors?: unknown };
  if (typeof code === 'string' && OUTAGE_CODES.test(code)) return true;
  if (OUTAGE_MESSAGES.test(thrown.message)) return true;
  if (Array.isArray(errors) && errors.some((error) => isOutage(error, depth + 1))) return true;
  return isOutage(cause, depth + 1) || isOutage((thrown as { previous?: unknown }).previous, depth + 1);
}
