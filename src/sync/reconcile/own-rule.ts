import type { EntityManager } from '@mikro-orm/postgresql';
import type { SyncJob } from '../model/sync-job.entity.js';
import { stagingTable } from '../staging/staging-table.js';
import type { MirrorTable } from '../tables/mirror-table.js';
import { createDeferredErrors, OWN_RULE } from './deferred-errors.js';
import { isInScope } from './scope.js';

/**
 * Rejects the staged records that break the definition's own rule. Their rows are kept, as those of all rejected records. The
 * difference, which was found with them, is dropped.
 * @returns how many they are
 */
export async function rejectByRule(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<number> {
  const { rule } = mirror.definition.own;
  if (!rule) return 0;
  await createDeferredErrors(em);
  const staged = stagingTable(job);
  // Rows of which the snapshot says something, or that are gone because it does not, are none to compare with.
  const stays = `(${isInScope(job, mirror, 't')}) is not true
    and not exists (select from ${staged} s where s.external_id = t.external_id)`;
  const live = `(select * from ${mirror.view} t where t.deleted_at is null and ${stays})`;
  const [row] = await em.execute<{ rows: number }[]>(
    `with broken as materialized (${rule.broken(staged, live)}),
     marked as (
       update ${staged} s set "$rejected" = true from broken where s."$ordinal" = broken.ordinal returning 1
     ), noted as (
       insert into deferred_error select ordinal, external_id, '{${OWN_RULE}}', array[value] from broken returning 1
     )
     select count(*)::int as rows from noted`,
  );
  if (row === undefined || row.rows === 0) return 0;
  await em.execute('drop table difference');
  return row.rows;
}
