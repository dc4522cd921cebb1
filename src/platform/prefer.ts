/** The longest time that a request may wait for an answer. */
const MAX_WAIT_SECONDS = 30;

/** The seconds that `Prefer: wait=N` (RFC 7240) asks for, 0 without; more than 30 is taken as 30, nonsense is ignored. */
export function preferredWaitSeconds(prefer: string | string[] | undefined): number {
  const match = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])/i.exec(String(prefer ?? ''));
  return match ? Math.min(Number(match[1]), MAX_WAIT_SECONDS) : 0;
}
