import type { EntityManager } from '@mikro-orm/postgresql';
import { identifier } from '../../database/database.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import type { MirrorTable } from '../tables/mirror-table.js';

/**
 * The name of a job's own staging table: a table each, so that clearing is a DROP and jobs do not meet. It is unlogged, as
 * it can be filled again from the kept bytes: a crash of PostgreSQL empties it, which the reconciliation notices by the
 * number of rows. A job that is done at once needs it in one transaction only, so there it is temporary.
 */
export function stagingTable(job: SyncJob): string {
  return job.isAtOnce() ? `pg_temp.${identifier(`job_${job.id}`)}` : keptTable(job.id);
}

export async function createStagingTable(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<void> {
  const columns = mirror.columns.map(({ column, type }) => `, ${column} ${type.sql}`).join('');
  const [kind, options] = job.isAtOnce()
    ? ['temporary', 'on commit drop']
    : ['unlogged', 'with (autovacuum_enabled = false)'];
  await em.execute(
    `create ${kind} table ${stagingTable(job)} (
       "$ordinal" int not null,
       "$rejected" boolean not null,
       external_id text collate "C" not null${columns}
     ) ${options}`,
  );
}

/** Drops the table that outlives a transaction, whichever attempt or version has made it. */
export async function dropStagingTable(em: EntityManager, { id }: SyncJob): Promise<void> {
  await em.execute(`drop table if exists ${keptTable(id)}`);
}

function keptTable(jobId: string): string {
  return `staging.${identifier(`job_${jobId}`)}`;
}
