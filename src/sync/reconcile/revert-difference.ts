import type { EntityManager } from '@mikro-orm/postgresql';
import type { SyncJob } from '../model/sync-job.entity.js';
import { identifier, literal } from '../../database/database.js';
import { countFound, type DifferenceCounts, newLinks } from './difference.js';
import { isDistinct, liveParents } from '../tables/mirror-sql.js';
import type { MirrorColumn, MirrorTable } from '../tables/mirror-table.js';

/**
 * The rows that a job changed, as SQL: what it did to each (`operation`), what the row was before (`before`), and whether
 * the row is as that job left it (`untouched`): later changes may have come and been reverted. What it left is what the
 * row's next change found; that is looked for only if the row has changed since.
 */
function changedRows(mirror: MirrorTable, original: SyncJob): string {
  const { sourceId, appliedAt, createdAfterId, createdUpToId, resource } = original;
  const at = `'${appliedAt?.toISOString()}'::timestamptz`;
  const differs = mirror.columns.map((column) => isDistinct(column, `next.${imageName(column)}`, `t.${column.column}`));
  const sameValues = differs.length === 0 ? 'true' : `not (${differs.join(' or ')})`;
  const untouched = (operation: string) => `
    case when ${operation} = 'deleted' then t.deleted_at is not null
         else t.deleted_at is null and (t.updated = ${at} or (next.row_id is not null and ${sameValues})) end`;
  const next = `left join lateral (
    select n.row_id, ${imageColumns(mirror, 'image')} from change n cross join lateral ${imageOf(mirror, 'n.before')}
     where t.updated > ${at} and n.source_id = t.source_id and n.resource = ${literal(resource)}
       and n.external_id = t.external_id and n.at > ${at}
     order by n.at limit 1) next on true`;
  return `(
    select t.*, c.operation as "$done", c.before as "$before", ${untouched('c.operation')} as "$untouched"
      from change c join ${mirror.table} t on t.source_id = c.source_id and t.id = c.row_id ${next}
     where c.source_id = ${sourceId} and c.resource = ${literal(resource)} and c.at = ${at}
    union all
    select t.*, 'created', null, ${untouched("'created'")}
      from ${mirror.table} t ${next}
     where t.id > ${createdAfterId ?? 0} and t.id <= ${createdUpToId ?? 0}
       and t.source_id = ${sourceId} and t.created = ${at})`;
}

/** The values of an image, each with its column's type: no text is cast. */
function imageOf({ columns }: MirrorTable, json: string): string {
  if (columns.length === 0) return '(select 1) image';
  const typed = columns.map((column) => `${identifier(column.field)} ${column.type.sql}`).join(', ');
  return `jsonb_to_record(${json}) as image(${typed})`;
}

function imageColumns({ columns }: MirrorTable, alias: string): string {
  return columns.map((column) => `${alias}.${identifier(column.field)} as ${imageName(column)}`).join(', ') || 'true';
}

/** The column of a value from an image, which meets neither a column of the row nor one of the log. */
function imageName({ oldColumn }: MirrorColumn): string {
  return oldColumn;
}

/** How many of the rows that a job changed are not as it left them. */
export async function countTouchedSince(em: EntityManager, original: SyncJob, mirror: MirrorTable): Promise<number> {
  const [row] = await em.execute<{ touched: string }[]>(
    `select count(*) as touched from ${changedRows(mirror, original)} changed where not "$untouched"`,
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
  const values = mirror.columns.map(({ field, column }) => {
    return `, case when changed."$goes" then null else image.${identifier(field)} end as ${column}`;
  });
  const olds = mirror.columns.map(({ column, oldColumn }) => `, changed.${column} as ${oldColumn}`);
  const oldLinks = mirror.links.map(({ linkColumn, oldLink }) => `, changed.${linkColumn} as ${oldLink}`);
  await em.execute(`
    create temporary table difference on commit drop as
    select d.*${newLinks(mirror)}
      from (
        select (case when changed."$goes" then 'D' when changed."$done" = 'deleted' then 'R' else 'U' end)::"char" as "$operation",
               (row_number() over (order by changed."$goes", changed.external_id) - 1)::int as "$ordinal",
               changed.external_id${values.join('')}, changed.id${olds.join('')}${oldLinks.join('')}
          from (select *, "$done" in ('created', 'restored') as "$goes" from ${changedRows(mirror, original)} done) changed
          left join lateral ${imageOf(mirror, 'changed."$before"')} on true
      ) d${liveParents(mirror, original.sourceId, 'd')}`);
  return countFound(em, mirror);
}
