/** What the commands tell the shell. */
export const EXIT = {
  /** Everything was mirrored. */
  ok: 0,
  /** Nothing was mirrored, or the server said no, or there is none. */
  failed: 1,
  /** Mirrored, but for some records that were rejected. */
  someRejected: 2,
} as const;

/** A user's own Ctrl-C: 128 + SIGINT, as shells have it. */
export const EXIT_INTERRUPTED = 130;
