import type { EntityManager } from '@mikro-orm/postgresql';
import type { SyncJob } from '../model/sync-job.entity.js';
import type { Definition, Parent } from '../../definitions/definition.js';
import { snakeCase } from '../../definitions/field-names.js';
import { copyErrors, type RecordError } from '../staging/record-errors.js';
import type { RecordBatch } from '../read/record-batch.js';
import { asKey, liveParents } from '../tables/mirror-sql.js';
import type { MirrorTable } from '../tables/mirror-table.js';
import { stagingTable } from '../staging/staging-table.js';

/** Positions that are held in memory at once; the records themselves pass through one by one. */
const WINDOW = 5_000;

const DUPLICATE = {
  code: 'duplicate_external_id',
  errors: { externalId: ['A later record of this snapshot has the same external id and takes its place'] },
};

/** A record of a window whose row lies in a newer window that has taken effect already. */
const OVERTAKEN = {
  code: 'overtaken',
  errors: { externalId: ['The row with this external id lies in the window of a newer snapshot'] },
};

/** In the place of a parent: the record breaks the definition's own rule, which has told of one value. */
export const OWN_RULE = 0;

/** A parent that a record waits for, and its external id. */
export interface MissingParent {
  parent: Parent;
  id: string;
}

/** What is told of a record that waits for a parent: around the parent's external id. */
export function waitsFor({ resource }: Parent): [before: string, after: string] {
  return [`Waits for ${resource} `, ': there is no such live row yet'];
}

/** The code of a record that waits for a parent, or for several of which this is the first. */
export function unresolvedCode({ name }: Parent): string {
  return `unresolved_${snakeCase(name)}`;
}

function unresolvedError(missing: readonly MissingParent[]): Pick<RecordError, 'code' | 'errors'> {
  const errors: Record<string, string[]> = {};
  for (const { parent, id } of missing) (errors[parent.by] ??= []).push(waitsFor(parent).join(id));
  const [first] = missing;
  if (!first) throw new Error('a record that waits for no parent is reported as unresolved');
  return { code: unresolvedCode(first.parent), errors };
}

/**
 * Deferred errors are those that no record shows by itself: they are noted by position until their records are read again.
 * `missing` is the places, from 1, of the parents that a record waits for, and `ids` their external ids; null says that it is a
 * duplicate, none that it was overtaken, and place 0 that it breaks the definition's own rule. To be called before one is noted.
 */
export async function createDeferredErrors(em: EntityManager): Promise<void> {
  await em.execute(
    'create temporary table if not exists deferred_error (ordinal int primary key, external_id text, missing int[], ids text[]) on commit drop',
  );
}

/**
 * Notes the staged records that wait for a parent. Asked of the rows first, where an index knows: for most snapshots
 * that is the end of it.
 * @returns how many there are
 */
export async function noteUnresolved(em: EntityManager, job: SyncJob, mirror: MirrorTable): Promise<number> {
  if (mirror.links.length === 0) return 0;
  if (!job.dryRun && !(await hasUnresolved(em, job.sourceId, mirror))) return 0;
  await createDeferredErrors(em);
  const { joins, waits } = waitingFor(mirror, job.sourceId, 's');
  const ids = mirror.links.map(({ by }, index) => `case when ${waits[index]} then s.${by.column}::text end`);
  const [row] = await em.execute<{ rows: number }[]>(
    `with noted as (
       insert into deferred_error
       select s."$ordinal", s.external_id, ${missingOf(waits)}, array_remove(array[${ids.join(', ')}]::text[], null)
         from ${stagingTable(job)} s ${joins}
        where not s."$rejected" and (${waits.join(' or ')})
       returning 1)
     select count(*)::int as rows from noted`,
  );
  return row?.rows ?? 0;
}

/**
 * SQL: joins of a relation `alias` with the columns of records, and for each link whether such a record waits for that parent once
 * the difference is applied, which a dry run only tells of. A resource may be its own parent.
 */
export function waitingFor(mirror: MirrorTable, sourceId: number, alias: string): { joins: string; waits: string[] } {
  const joins = [liveParents(mirror, sourceId, alias)];
  const waits = mirror.links.map(({ by, parent }, index) => {
    const name = `${alias}.${by.column}`;
    if (parent.resource !== mirror.resource) return `(${name} is not null and p${index}.id is null)`;
    joins.push(`left join difference own${index} on own${index}."$operation" <> 'U'
            and own${index}.external_id = ${name}${asKey(by)}`);
    return `(${name} is not null
      and case when own${index}."$operation" is null then p${index}.id is null else own${index}."$operation" = 'D' end)`;
  });
  return { joins: joins.join(' '), waits };
}

/** SQL: the places of the conditions that hold, as an array. */
function missingOf(conditions: string[]): string {
  const places = conditions.map((condition, index) => `case when ${condition} then ${index + 1} end`);
  return `array_remove(array[${places.join(', ')}]::int[], null)`;
}

/** Whether any live row of the source waits for a parent. */
export async function hasUnresolved(em: EntityManager, sourceId: number, mirror: MirrorTable): Promise<boolean> {
  if (mirror.links.length === 0) return false;
  // One question for each link, in the form of the index of its rows that wait.
  const waiting = mirror.links.map(
    ({ by, linkColumn }) => `exists (
      select from ${mirror.table} t where t.source_id = ${sourceId} and t.${linkColumn} is null
         and t.${by.column} is not null and t.deleted_at is null)`,
  );
  const rows = await em.execute(`select where ${waiting.join(' or ')}`);
  return rows.length > 0;
}

/**
 * Reports the noted records as they were sent: reads the kept bytes again, and only as far as the last of them.
 * @param read begins to read the snapshot's records
 */
export async function reportDeferredErrors(
  em: EntityManager,
  job: SyncJob,
  definition: Definition,
  read: () => AsyncGenerator<RecordBatch>,
): Promise<void> {
  let window = await nextWindow(em, -1);
  if (window.length === 0) return;
  const records = new RecordsByIndex(read());
  try {
    while (window.length > 0) {
      await copyErrors(em, job, records.errorsAt(window, definition));
      window = await nextWindow(em, window.at(-1)?.ordinal ?? 0);
    }
  } finally {
    await records.close();
  }
}

function toError({ missing, ids }: DeferredError, { parents, own }: Definition): Pick<RecordError, 'code' | 'errors'> {
  if (missing === null) return DUPLICATE;
  if (missing.length === 0) return OVERTAKEN;
  if (own.rule && missing[0] === OWN_RULE) {
    const { code, field, message } = own.rule;
    return { code, errors: { [field]: [message(ids?.[0] ?? '')] } };
  }
  const awaited = parents.filter((_, place) => missing.includes(place + 1));
  return unresolvedError(awaited.map((parent, index) => ({ parent, id: ids?.[index] ?? '' })));
}

interface DeferredError {
  ordinal: number;
  external_id: string;
  missing: number[] | null;
  ids: string[] | null;
}

async function nextWindow(em: EntityManager, after: number): Promise<DeferredError[]> {
  return em.execute<DeferredError[]>(
    'select ordinal, external_id, missing, ids from deferred_error where ordinal > ? order by ordinal limit ?',
    [after, WINDOW],
  );
}

/** Picks records out of a stream of batches by their ascending positions. */
class RecordsByIndex {
  private batch: Pick<RecordBatch, 'firstIndex' | 'records'> = { firstIndex: 0, records: [] };

  constructor(private readonly batches: AsyncGenerator<RecordBatch>) {}

  async *errorsAt(places: DeferredError[], definition: Definition): AsyncGenerator<RecordError> {
    for (const place of places) {
      const { ordinal: index, external_id: externalId } = place;
      while (index >= this.batch.firstIndex + this.batch.records.length) {
        const next = await this.batches.next();
        if (next.done) throw new Error('the kept bytes end before a record that was staged from them');
        this.batch = next.value;
      }
      yield {
        index,
        externalId,
        ...toError(place, definition),
        data: this.batch.records[index - this.batch.firstIndex],
      };
    }
  }

  async close(): Promise<void> {
    await this.batches.return(undefined);
  }
}
