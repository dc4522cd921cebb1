import type { EntityManager } from '@mikro-orm/postgresql';
import { enterPhase } from '../jobs/job-phases.js';
import type { SyncJob } from '../jobs/sync-job.entity.js';
import type { LinkColumns, MirrorTable } from './mirror-table.js';

/**
 * Makes the live rows what the `difference` says, and with them the change log, the links between parents and children,
 * and the parents' totals. A handful of statements, whatever the number of rows.
 */
export async function applyDifference(em: EntityManager, job: SyncJob, mirror: MirrorTable, at: Date): Promise<void> {
  const instant = at.toISOString();
  enterPhase('change log');
  await logChanges(em, job, mirror, instant);
  enterPhase('delete');
  await tombstone(em, mirror, instant);
  enterPhase('update');
  await update(em, mirror, instant);
  enterPhase('insert');
  await insert(em, job, mirror, instant);
  enterPhase('totals');
  if (mirror.link) await addToTotals(em, mirror.link, instant);
  enterPhase('links');
  for (const link of mirror.childLinks) await relinkChildren(em, job, link);
}

/** What a row was before it was updated, deleted or restored. What was created needs no image. */
async function logChanges(em: EntityManager, job: SyncJob, mirror: MirrorTable, at: string): Promise<void> {
  const image = mirror.columns.map(({ field, oldColumn }) => `'${field}', ${oldColumn}`).join(', ');
  await em.execute(
    `insert into change (source_id, resource, at, job_id, row_id, external_id, operation, before)
     select ?, ?, ?, ?, id, external_id,
            case operation when 'U' then 'updated' when 'D' then 'deleted' else 'restored' end,
            jsonb_build_object(${image})
       from difference where operation <> 'I'`,
    [job.sourceId, job.resource, at, job.id],
  );
}

async function tombstone(em: EntityManager, mirror: MirrorTable, at: string): Promise<void> {
  const noTotals = mirror.childLinks
    .flatMap(({ totals }) => (totals ? [`, ${totals.sumColumn} = 0, ${totals.countColumn} = 0`] : []))
    .join('');
  await em.execute(
    `update ${mirror.table} t set deleted_at = ?${noTotals}
       from difference d where d.operation = 'D' and t.id = d.id`,
    [at],
  );
}

async function update(em: EntityManager, mirror: MirrorTable, at: string): Promise<void> {
  const values = mirror.columns.map(({ column }) => `${column} = d.${column}, `).join('');
  const link = mirror.link ? `${mirror.link.linkColumn} = d.new_link, ` : '';
  await em.execute(
    `update ${mirror.table} t set ${values}${link}updated = ?, deleted_at = null
       from difference d where d.operation in ('U', 'R') and t.id = d.id`,
    [at],
  );
}

/** In the order of the ids, which keeps the unique index's pages together: 15 % faster than as they come. */
async function insert(em: EntityManager, job: SyncJob, mirror: MirrorTable, at: string): Promise<void> {
  const columns = mirror.columns.map(({ column }) => `${column}, `).join('');
  const link = mirror.link ? [`${mirror.link.linkColumn}, `, 'new_link, '] : ['', ''];
  job.createdAfterId = await lastId(em, mirror);
  await em.execute(
    `insert into ${mirror.table} (source_id, external_id, ${columns}${link[0]}created, updated)
     select ?, external_id, ${columns}${link[1]}?, ? from difference where operation = 'I' order by external_id`,
    [job.sourceId, at, at],
  );
  job.createdUpToId = await lastId(em, mirror);
}

/** The highest id that anybody was given so far: other sources' jobs may be inserting too. */
async function lastId(em: EntityManager, mirror: MirrorTable): Promise<number> {
  const [row] = await em.execute<{ id: string | null }[]>(
    `select pg_sequence_last_value(pg_get_serial_sequence(?, 'id')::regclass) as id`,
    [mirror.table],
  );
  return Number(row?.id ?? 0);
}

/**
 * The parents of touched children get the difference, not a new sum: exact, and independent of their size. What the sum
 * was before is logged, so that pages in its order stay right while it moves.
 */
async function addToTotals(em: EntityManager, link: LinkColumns, at: string): Promise<void> {
  if (!link.totals) return;
  const { ofColumn, oldOfColumn, sumColumn, countColumn } = link.totals;
  await em.execute(
    `with touched as (
       select old_link as parent_id, -${oldOfColumn} as amount, -1 as items from difference
        where operation in ('U', 'D') and old_link is not null
       union all
       select new_link, ${ofColumn}, 1 from difference
        where operation in ('I', 'U', 'R') and new_link is not null
     ), moved as (
       select parent_id, sum(amount) as amount, sum(items) as items from touched
        group by parent_id having sum(amount) <> 0 or sum(items) <> 0
     ), logged as (
       insert into total_change (source_id, resource, at, row_id, before)
       select p.source_id, ?, ?, p.id, p.${sumColumn} from moved join ${link.parentTable} p on p.id = moved.parent_id
        where moved.amount <> 0
     )
     update ${link.parentTable} p
        set ${sumColumn} = p.${sumColumn} + moved.amount, ${countColumn} = p.${countColumn} + moved.items
       from moved where p.id = moved.parent_id`,
    [link.parentResource, at],
  );
}

/** Children of parents that are gone become unresolved; those that waited for parents that have arrived are resolved. */
async function relinkChildren(em: EntityManager, job: SyncJob, link: LinkColumns): Promise<void> {
  const { childTable, linkColumn, keyColumn, parentTable, totals } = link;
  await em.execute(
    `update ${childTable} c set ${linkColumn} = null
       from difference d where d.operation = 'D' and c.source_id = ? and c.${linkColumn} = d.id`,
    [job.sourceId],
  );
  const resolve = `
    update ${childTable} c set ${linkColumn} = p.id
      from difference d join ${parentTable} p on p.source_id = ${job.sourceId} and p.external_id = d.external_id
     where d.operation in ('I', 'R') and c.source_id = ${job.sourceId}
       and c.${linkColumn} is null and c.deleted_at is null and c.${keyColumn} = d.external_id`;
  if (!totals) {
    await em.execute(resolve);
    return;
  }
  const { ofColumn, sumColumn, countColumn } = totals;
  await em.execute(`
    with resolved as (${resolve} returning c.${linkColumn} as parent_id, c.${ofColumn} as amount)
    update ${parentTable} p set ${sumColumn} = children.amount, ${countColumn} = children.items
      from (select parent_id, sum(amount) as amount, count(*) as items from resolved group by parent_id) children
     where p.id = children.parent_id`);
}
