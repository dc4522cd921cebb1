import { createHash } from 'node:crypto';

/** An entry as the chain has it: all fields as text, in the order of the hash. */
export interface Link {
  seq: string;
  /** `2026-11-21T10:00:00.000000Z` */
  at: string;
  actor: string;
  key_id: string | null;
  source: string | null;
  action: string;
  subject: string | null;
  items: string | null;
  address: string | null;
  request_id: string | null;
  outcome: string;
  status: string | null;
}

/** The fields of a {@link Link} in SQL, in the order of the hash. */
export const LINK_FIELDS = `seq::text, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at,
  actor, key_id, source, action, subject, items::text, address, request_id, outcome, status::text`;

/**
 * The hash of an entry: SHA-256 over the 32 bytes of the hash before, and each field as its length in bytes of UTF-8, a
 * colon, its text and a comma, or `-,` for null. So no two entries read the same. PostgreSQL's `audit_hash` does the same
 * in SQL; whoever changed that to forge the log is found out here.
 */
export function linkHash(previous: Buffer, link: Link): Buffer {
  const { seq, at, actor, key_id, source, action, subject, items, address, request_id, outcome, status } = link;
  const fields = [seq, at, actor, key_id, source, action, subject, items, address, request_id, outcome, status];
  const text = fields.map((field) => (field === null ? '-,' : `${Buffer.byteLength(field)}:${field},`)).join('');
  return createHash('sha256').update(previous).update(text).digest();
}
