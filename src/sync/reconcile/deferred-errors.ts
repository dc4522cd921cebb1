import type { EntityManager } from '@mikro-orm/postgresql';
import type { SyncJob } from '../jobs/sync-job.entity.js';
import type { MirroredResource } from '../mirrored-resource.js';
import { copyErrors, type RecordError } from '../read/record-errors.js';
import type { RecordBatch } from '../read/record-batch.js';
import type { MirrorTable } from './mirror-table.js';
import { stagingTable } from './staging-table.js';

/** Positions that are held in memory at once; the records themselves pass through one by one. */
const WINDOW = 5_000;

const DUPLICATE = { externalId: ['A later record of this snapshot has the same external id and takes its place'] };

/**
 * Deferred errors are those that no record shows by itself: they are noted by position until their records are read again.
 * To be called before one is noted.
 */
export async function createDeferredErrors(em: EntityManager): Promise<void> {
  await em.execute(
    'create temporary table if not exists deferred_error (ordinal int primary key, external_id text, code text not null) on commit drop',
  );
}

/**
 * Notes the staged records whose parent is not live. Asked of the rows first, where an index knows: for most snapshots
 * that is the end of it.
 * @returns how many there are
 */
export async function noteUnresolved(
  em: EntityManager,
  job: SyncJob,
  mirror: MirrorTable,
  resource: MirroredResource,
): Promise<number> {
  const { link } = mirror;
  if (!link || !resource.parent) return 0;
  if (!job.dryRun && !(await hasUnresolved(em, job.sourceId, mirror))) return 0;
  await createDeferredErrors(em);
  const [row] = await em.execute<{ rows: number }[]>(
    `with noted as (
       insert into deferred_error
       select s.ordinal, s.external_id, ?
         from ${stagingTable(job)} s
         left join ${link.parentTable} p
           on p.source_id = ? and p.deleted_at is null and p.external_id = s.${link.keyColumn}
        where not s.rejected and p.id is null
       returning 1)
     select count(*)::int as rows from noted`,
    [resource.parent.unresolved.code, job.sourceId],
  );
  return row?.rows ?? 0;
}

/** Whether any live row of the source is unresolved. */
export async function hasUnresolved(em: EntityManager, sourceId: number, mirror: MirrorTable): Promise<boolean> {
  if (!mirror.link) return false;
  const rows = await em.execute(
    `select 1 from ${mirror.table} where source_id = ? and deleted_at is null and ${mirror.link.linkColumn} is null limit 1`,
    [sourceId],
  );
  return rows.length > 0;
}

/**
 * Reports the noted records as they were sent: reads the kept bytes again, and only as far as the last of them.
 * @param read begins to read the snapshot's records
 */
export async function reportDeferredErrors(
  em: EntityManager,
  job: SyncJob,
  resource: MirroredResource,
  read: () => AsyncGenerator<RecordBatch>,
): Promise<void> {
  const messages: Record<string, Record<string, string[]>> = { duplicate_external_id: DUPLICATE };
  if (resource.parent) {
    messages[resource.parent.unresolved.code] = { [resource.parent.field]: [resource.parent.unresolved.message] };
  }
  let window = await nextWindow(em, -1);
  if (window.length === 0) return;
  const records = new RecordsByIndex(read());
  try {
    while (window.length > 0) {
      await copyErrors(em, job, records.errorsAt(window, messages));
      window = await nextWindow(em, window.at(-1)?.ordinal ?? 0);
    }
  } finally {
    await records.close();
  }
}

interface DeferredError {
  ordinal: number;
  external_id: string;
  code: string;
}

async function nextWindow(em: EntityManager, after: number): Promise<DeferredError[]> {
  return em.execute<DeferredError[]>(
    'select ordinal, external_id, code from deferred_error where ordinal > ? order by ordinal limit ?',
    [after, WINDOW],
  );
}

/** Picks records out of a stream of batches by their ascending positions. */
class RecordsByIndex {
  private batch: Pick<RecordBatch, 'firstIndex' | 'records'> = { firstIndex: 0, records: [] };

  constructor(private readonly batches: AsyncGenerator<RecordBatch>) {}

  async *errorsAt(
    places: DeferredError[],
    messages: Record<string, Record<string, string[]>>,
  ): AsyncGenerator<RecordError> {
    for (const { ordinal: index, external_id: externalId, code } of places) {
      while (index >= this.batch.firstIndex + this.batch.records.length) {
        const next = await this.batches.next();
        if (next.done) throw new Error('the kept bytes end before a record that was staged from them');
        this.batch = next.value;
      }
      yield {
        index,
        externalId,
        code,
        errors: messages[code] ?? {},
        data: this.batch.records[index - this.batch.firstIndex],
      };
    }
  }

  async close(): Promise<void> {
    await this.batches.return(undefined);
  }
}
