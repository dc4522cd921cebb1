/** The exit codes of the commands. */
export const EXIT = {
  /** Everything was mirrored. */
  ok: 0,
  /** Nothing was mirrored, the server refused, or there is no server. */
  failed: 1,
  /** Mirrored except for some rejected records. */
  someRejected: 2,
} as const;

/** For Ctrl-C: 128 + SIGINT, as in shells. */
export const EXIT_INTERRUPTED = 130;
