import type { EntityManager } from '@mikro-orm/postgresql';
import type { SyncJob } from '../model/sync-job.entity.js';
import { dropStagingTable } from './staging-table.js';

/** Clears what an attempt at a job has left that did not come to its end: staged rows and reported records. */
export async function clearAttempt(em: EntityManager, job: SyncJob): Promise<void> {
  await dropStagingTable(em, job);
  await em.execute('delete from sync_error where job_id = ? and at = ?', [job.id, job.submittedAt]);
}

/** The same before a new attempt. Whatever ends one without ending the job makes the fence rise: the first has none before it. */
export async function clearEarlierAttempt(em: EntityManager, job: SyncJob): Promise<void> {
  if (job.fence > 1) await clearAttempt(em, job);
}
