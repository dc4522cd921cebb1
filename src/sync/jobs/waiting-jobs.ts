import type { EntityManager } from '@mikro-orm/postgresql';
import { WAITS_BEHIND } from '../model/job-conditions.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import type { JobStatus } from '../model/job-options.js';

/** Why a job is still queued: an older one comes first, or its last attempt failed. */
export interface Waiting {
  /** The oldest job that has to end, or be decided, first. */
  behind: { id: string; status: JobStatus } | null;
  /** Attempts that failed, what ended the last one, and when the next one comes. */
  retry: { attempts: number; error: string; at: Date } | null;
}

/** What keeps each of these jobs waiting, by id. A job that is not in it waits for nothing but a worker. */
export async function reasonsToWait(em: EntityManager, jobs: SyncJob[]): Promise<Map<string, Waiting>> {
  const queued = jobs.filter(({ status }) => status === 'queued');
  if (queued.length === 0) return new Map();
  const rows = await em.execute<{ id: string; older_id: string; older_status: JobStatus }[]>(
    `select job.id, older.id as older_id, older.status as older_status
       from sync_job job
      cross join lateral (
        select older.id, older.status from sync_job older where ${WAITS_BEHIND} order by older.seq limit 1) older
      where job.id = any(string_to_array(?, ',')::uuid[])`,
    [queued.map(({ id }) => id).join(',')],
  );
  const older = new Map(rows.map((row) => [row.id, { id: row.older_id, status: row.older_status }]));
  const reasons = queued.map(({ id, attempts, lastError, retryAt }): [string, Waiting] => {
    const behind = older.get(id) ?? null;
    return [id, { behind, retry: retryAt && lastError ? { attempts, error: lastError, at: retryAt } : null }];
  });
  return new Map(reasons.filter(([, { behind, retry }]) => behind ?? retry));
}
