import type { EntityManager } from '@mikro-orm/postgresql';
import type { SyncJob } from '../jobs/sync-job.entity.js';
import { countFound, type DifferenceCounts } from './difference.js';
import type { MirrorTable } from './mirror-table.js';

/**
 * The rows that a job changed, as SQL: what it did to each (`operation`), what the row was before (`before`), and whether
 * the row is as that job left it (`untouched`): later changes may have come and been reverted. What it left is what the
 * row's next change found; that is looked for only if the row has changed since.
 */
function changedRows(mirror: MirrorTable, original: SyncJob): string {
  const { sourceId, appliedAt, createdAfterId, createdUpToId, resource } = original;
  const at = `'${appliedAt?.toISOString()}'::timestamptz`;
  const sameValues = mirror.columns
    .map(({ field, column, type }) => `(next.before->>'${field}')::${type} is not distinct from t.${column}`)
    .join(' and ');
  const untouched = (operation: string) => `
    case when ${operation} = 'deleted' then t.deleted_at is not null
         else t.deleted_at is null and (t.updated = ${at} or (next.before is not null and ${sameValues})) end`;
  const next = `left join lateral (
    select n.before from change n
     where t.updated > ${at} and n.source_id = t.source_id and n.resource = '${resource}'
       and n.external_id = t.external_id and n.at > ${at}
     order by n.at limit 1) next on true`;
  return `(
    select t.*, c.operation, c.before, ${untouched('c.operation')} as untouched
      from change c join ${mirror.table} t on t.id = c.row_id ${next}
     where c.source_id = ${sourceId} and c.resource = '${resource}' and c.at = ${at}
    union all
    select t.*, 'created', null, ${untouched("'created'")}
      from ${mirror.table} t ${next}
     where t.id > ${createdAfterId ?? 0} and t.id <= ${createdUpToId ?? 0}
       and t.source_id = ${sourceId} and t.created = ${at})`;
}

/** How many of the rows that a job changed are not as it left them. */
export async function countTouchedSince(em: EntityManager, original: SyncJob, mirror: MirrorTable): Promise<number> {
  const [row] = await em.execute<{ touched: string }[]>(
    `select count(*) as touched from ${changedRows(mirror, original)} changed where not untouched`,
  );
  return Number(row?.touched);
}

/**
 * Fills the temporary table `difference`, as `findDifference` does, with what undoes a job: what it created or restored
 * goes, what it updated or deleted is as it was.
 */
export async function findRevertDifference(
  em: EntityManager,
  original: SyncJob,
  mirror: MirrorTable,
): Promise<DifferenceCounts> {
  const { link } = mirror;
  const values = mirror.columns.map(({ field, column, type }) => {
    return `, (case when goes then null else before->>'${field}' end)::${type} as ${column}`;
  });
  const olds = mirror.columns.map(({ column, oldColumn }) => `, ${column} as ${oldColumn}`);
  await em.execute(`
    create temporary table difference on commit drop as
    select d.*, ${link ? 'p.id' : 'null::bigint'} as new_link
      from (
        select (case when goes then 'D' when operation = 'deleted' then 'R' else 'U' end)::"char" as operation,
               (row_number() over (order by goes, external_id) - 1)::int as ordinal, external_id${values.join('')},
               id${olds.join('')}, ${link ? link.linkColumn : 'null::bigint'} as old_link
          from (select *, operation in ('created', 'restored') as goes from ${changedRows(mirror, original)} changed) changed
      ) d
      ${link ? `left join ${link.parentTable} p on p.source_id = ${original.sourceId} and p.deleted_at is null and p.external_id = d.${link.keyColumn}` : ''}`);
  return countFound(em);
}
