/** A place in the audit log: the number of an entry and its hash in hexadecimal. */
export interface AuditHead {
  seq: number;
  hash: string;
}

/** The result of verifying the audit log. */
export interface AuditVerdict {
  entries: number;
  first: { seq: number; at: string } | null;
  last: { seq: number; at: string } | null;
  /** The end of the chain as `SEQ:HASH`, to be kept outside the database. */
  head: string;
  /** Retention has deleted the entries up to this number; 0: none. */
  forgotten: number;
  /** The first entry that was changed since it was written, and what is wrong with it. */
  broken: { seq: number; what: string } | null;
}
