import type { EntityManager } from '@mikro-orm/postgresql';
import { copyField, copyInto } from '../../database/database.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import { clearAttempt } from './clear-attempt.js';

/** One record that was rejected or is unresolved, with its place in the snapshot and as it was sent. */
export interface RecordError {
  index: number;
  externalId: string | null;
  code: string;
  /** Messages by field. */
  errors: Record<string, string[]>;
  data: unknown;
}

/** Characters that go to COPY in one string. */
const TEXT_AT_A_TIME = 64 * 1024;

/**
 * Writes errors in the current transaction, as they are drawn. By COPY, as `json` keeps what was sent to the letter
 * there, NUL and lone surrogates included, which a JSON function would refuse.
 */
export async function copyErrors(
  em: EntityManager,
  job: SyncJob,
  errors: Iterable<RecordError> | AsyncIterable<RecordError>,
): Promise<void> {
  const at = job.submittedAt.toISOString();
  async function* lines(): AsyncGenerator<string> {
    let text = '';
    for await (const error of errors) {
      text += errorLine(job.id, at, error);
      if (text.length < TEXT_AT_A_TIME) continue;
      yield text;
      text = '';
    }
    if (text !== '') yield text;
  }
  // PostgreSQL lets no COPY into a table behind row-level security.
  await em.execute(`create temporary table if not exists incoming_error
    (job_id uuid, at timestamptz, index int, external_id text, code text, errors json, data json) on commit drop`);
  await copyInto(em, 'copy incoming_error from stdin', lines());
  await em.execute(`with reported as (delete from incoming_error returning *)
    insert into sync_error (job_id, at, index, external_id, code, errors, data) select * from reported`);
}

function errorLine(jobId: string, at: string, error: RecordError): string {
  const { index, externalId, code } = error;
  const fields = [jobId, at, String(index), externalId, code, JSON.stringify(error.errors), JSON.stringify(error.data)];
  return `${fields.map((value) => copyField(value)).join('\t')}\n`;
}

/**
 * Reports the rejected records of an earlier job over the same bytes as those of `job` too.
 * @returns false if they are not all there any more
 */
export async function copyErrorsOf(em: EntityManager, last: SyncJob, job: SyncJob): Promise<boolean> {
  if (last.counts.rejected === 0) return true;
  const rows = await em.execute<{ copied: number }[]>(
    `with copied as (
       insert into sync_error (job_id, at, index, external_id, code, errors, data)
       select ?, ?, index, external_id, code, errors, data from sync_error where job_id = ? and at = ?
       returning 1)
     select count(*)::int as copied from copied`,
    [job.id, job.submittedAt, last.id, last.submittedAt],
  );
  if (rows[0]?.copied === last.counts.rejected) return true;
  await clearAttempt(em, job);
  return false;
}
