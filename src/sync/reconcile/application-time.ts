import type { EntityManager } from '@mikro-orm/postgresql';
import { NOW_MS } from '../leases/job-leases.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import type { MirrorTables } from '../tables/mirror-table.js';

/**
 * The time that the changed rows will carry: later than that of any job before that touched these or linked rows. So
 * what has changed since a time is what came after a state that somebody saw.
 */
export async function applicationTime(em: EntityManager, job: SyncJob, tables: MirrorTables): Promise<Date> {
  const linked = tables.definitions.linkedTo(tables.of(job.resource).definition);
  const [row] = await em.execute<{ now: string; last: string | null }[]>(
    `select ${NOW_MS} as now, (extract(epoch from max(applied_at)) * 1000)::bigint::text as last
       from mirror_state where source_id = ? and resource = any(string_to_array(?, ','))`,
    [job.sourceId, linked.join(',')],
  );
  return new Date(Math.max(Number(row?.now), Number(row?.last ?? 0) + 1));
}
