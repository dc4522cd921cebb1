import type { EntityManager } from '@mikro-orm/postgresql';

/** How a request ended: done, refused (4xx), or failed on our side (5xx), in which case it may have been done. */
export type AuditOutcome = 'allowed' | 'refused' | 'failed';

/** One line of the audit log: who did what to what. Never the values of records, only ids. */
export interface AuditEntry {
  /** The name of the key, or `cli:` and the name of the user of the machine. */
  actor: string;
  keyId: string | null;
  /** The source that the request was about. */
  source: string | null;
  /** `patient.read`, `job.approved`, … */
  action: string;
  /** Kind and id, such as `patient:11`. */
  subject: string | null;
  /** How many items the answer had. */
  items: number | null;
  address: string | null;
  requestId: string | null;
  outcome: AuditOutcome;
  /** Of the HTTP answer. */
  status: number | null;
}

/** Long enough for an external id (250 characters) with its kind. Longer subjects name nothing that exists. */
const MAX_CHARACTERS = 300;

/**
 * Adds entries to the end of the audit log, in their order; within a transaction of `em` they count once it is committed.
 * Until then all other appends wait, so this should be the last statement of a transaction.
 */
export async function appendAudit(em: EntityManager, entries: AuditEntry[]): Promise<void> {
  const cut = entries.map((entry) =>
    Object.fromEntries(
      Object.entries(entry).map(([field, value]) => [field, typeof value === 'string' ? storable(value) : value]),
    ),
  );
  await em.execute('select audit_append(?::jsonb)', [JSON.stringify(cut)]);
}

/** PostgreSQL stores no NUL and no lone surrogate; one such entry would fail the whole batch. */
function storable(text: string): string {
  return text.slice(0, MAX_CHARACTERS).toWellFormed().replaceAll('\0', '\uFFFD');
}
