import type { Config } from '../../settings/config.js';

/** What a reader holds in memory at most, and how much it does in one go. */
export interface ReadLimits {
  /** Bytes of one record as sent: a JSON value, an NDJSON line or a CSV row without its line end. */
  maxRecordBytes: number;
  /** Nested objects and arrays; the record itself is level 1. At most a few thousand: checks are iterative, JSON.parse with a reviver is not. */
  maxDepth: number;
  /** Input is cut and gathered to pieces of exactly this size (the last may be shorter), so the senders' chunking never shows. */
  pieceBytes: number;
}

/** The defaults, which the settings may change. */
export const READ_LIMITS: ReadLimits = {
  // A record of either kind is some 100 bytes; 1 MiB is far beyond any honest one and still nothing to hold in memory.
  maxRecordBytes: 1024 * 1024,
  // Records are flat; 64 levels leave room for odd unknown fields, which are ignored anyway.
  maxDepth: 64,
  // 64 KiB pieces: larger ones were no faster and blocked the event loop longer (0.4 ms for each 64 KiB).
  pieceBytes: 64 * 1024,
};

/** What the settings say of one record. */
export function recordLimits(config: Config): Pick<ReadLimits, 'maxRecordBytes' | 'maxDepth'> {
  return { maxRecordBytes: config.MAX_RECORD_BYTES, maxDepth: config.MAX_RECORD_DEPTH };
}
