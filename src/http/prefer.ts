/** The longest time that a request may wait for an answer. */
const MAX_WAIT_SECONDS = 30;

/**
 * The seconds that `Prefer: wait=N` asks for, 0 without; more than 30 is taken as 30, anything malformed is ignored. Preferences are
 * separated by commas; what follows a semicolon are a preference's own parameters (RFC 7240, section 2).
 */
export function preferredWaitSeconds(prefer: string | string[] | undefined): number {
  for (const preference of String(prefer ?? '').split(',')) {
    const match = /^\s*wait\s*=\s*"?(\d+)"?\s*(?:;|$)/i.exec(preference);
    if (match) return Math.min(Number(match[1]), MAX_WAIT_SECONDS);
  }
  return 0;
}
