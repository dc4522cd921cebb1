/** A place in the audit log: the number of an entry and its hash in hexadecimal. */
export interface AuditHead {
  seq: number;
  hash: string;
}

/** What became of the audit log. */
export interface AuditVerdict {
  entries: number;
  first: { seq: number; at: string } | null;
  last: { seq: number; at: string } | null;
  /** The end of the chain, to be kept elsewhere: `SEQ:HASH`. */
  head: string;
  /** The entries up to this one are kept no longer; 0: all are there. */
  forgotten: number;
  /** The first entry that is not as it was written, and what is wrong with it. */
  broken: { seq: number; what: string } | null;
}
