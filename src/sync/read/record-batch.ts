/** Records that follow one another in a snapshot; never empty. */
export interface RecordBatch {
  /** Index of the first of them in the snapshot, from 0. */
  firstIndex: number;
  /** As parsed. Elements that are no objects are among them: to reject a single record is the validator's task. */
  records: unknown[];
  /** The same records as valid JSON, one after the other; null for rows of a table. */
  text: string | null;
  /** Bytes of the inflated body up to the end of the last of them. */
  bytesRead: number;
}
