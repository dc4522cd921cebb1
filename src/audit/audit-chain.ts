import { createHash } from 'node:crypto';

/** The hashed fields of an entry, all as text, in the order of the hash. */
export interface ChainedEntry {
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

/** The fields of a {@link ChainedEntry} in SQL, in the order of the hash. */
export const CHAINED_FIELDS = `seq::text, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at,
  actor, key_id, source, action, subject, items::text, address, request_id, outcome, status::text`;

/**
 * The hash of an entry: SHA-256 over the 32 bytes of the previous hash, and each field as its length in bytes of UTF-8,
 * a colon, its text and a comma, or `-,` for null. So no two entries have the same text. The SQL function `audit_hash`
 * does the same; computing it here again reveals a log that was forged by changing that function.
 */
export function entryHash(previous: Buffer, entry: ChainedEntry): Buffer {
  const { seq, at, actor, key_id, source, action, subject, items, address, request_id, outcome, status } = entry;
  const fields = [seq, at, actor, key_id, source, action, subject, items, address, request_id, outcome, status];
  const text = fields.map((field) => (field === null ? '-,' : `${Buffer.byteLength(field)}:${field},`)).join('');
  return createHash('sha256').update(previous).update(text).digest();
}
