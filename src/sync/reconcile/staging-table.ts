import type { EntityManager } from '@mikro-orm/postgresql';
import { identifier } from '../../platform/database.js';
import type { MirrorTable } from './mirror-table.js';

/**
 * The name of a job's own staging table. A table each, so that clearing is a DROP and jobs do not meet; unlogged, as
 * it can be filled again from the kept bytes: a crash of PostgreSQL empties it, which the reconciliation notices by
 * the number of rows.
 */
export function stagingTable(jobId: string): string {
  return `staging.${identifier(`job_${jobId}`)}`;
}

export async function createStagingTable(em: EntityManager, jobId: string, mirror: MirrorTable): Promise<void> {
  const columns = mirror.columns.map(({ column, type }) => `${column} ${type}`).join(', ');
  await em.execute(
    `create unlogged table ${stagingTable(jobId)} (
       ordinal int not null,
       rejected boolean not null,
       external_id text collate "C" not null,
       ${columns}
     ) with (autovacuum_enabled = false)`,
  );
}

export async function dropStagingTable(em: EntityManager, jobId: string): Promise<void> {
  await em.execute(`drop table if exists ${stagingTable(jobId)}`);
}
