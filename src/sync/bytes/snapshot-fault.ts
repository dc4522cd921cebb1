/** Everything that can be wrong with a snapshot as a whole. The codes are part of the public contract. */
export type FaultCode =
  | 'malformed_json'
  | 'truncated'
  | 'trailing_data'
  | 'invalid_utf8'
  | 'record_too_large'
  | 'too_many_records'
  | 'nesting_too_deep'
  | 'malformed_csv'
  | 'wrong_first_byte'
  | 'empty';

/** Where in the inflated body a fault lies: lines from 1 (LF ends a line), bytes and records from 0, null where there is none. */
export interface FaultPlace {
  line: number | null;
  byteOffset: number | null;
  record: number | null;
}

/**
 * The snapshot as a whole cannot be read; nothing of it may be applied. (A single record that is readable but wrong
 * is a rejection, not a fault.) `detail` is one sentence for the sender and never quotes what a record contains.
 */
export class SnapshotFault extends Error {
  readonly line: number | null;
  readonly byteOffset: number | null;
  readonly record: number | null;

  constructor(
    readonly code: FaultCode,
    readonly detail: string,
    place: FaultPlace,
  ) {
    super(detail);
    this.name = 'SnapshotFault';
    this.line = place.line;
    this.byteOffset = place.byteOffset;
    this.record = place.record;
  }
}
