import type { EntityManager } from '@mikro-orm/postgresql';
import type { SyncJob } from '../model/sync-job.entity.js';
import { literal } from '../../database/database.js';
import type { Link, MirrorColumn, MirrorTable, ParentTotals } from '../tables/mirror-table.js';
import type { TouchedRows } from '../../definitions/definition.js';

/** Children that begin (1) or cease (-1) to count, as a relation with their values and links. */
export interface Counted {
  /** The relation, and which of its rows count, in SQL. */
  from: string;
  where: string;
  sign: 1 | -1;
  value: (column: MirrorColumn) => string;
  link: (link: Link) => string;
}

/**
 * The parents of touched children get the difference, not a new sum: exact, and independent of their size. A child counts in
 * all of its parents' totals while it is live and waits for none of them.
 */
export async function moveTotals(
  em: EntityManager,
  job: SyncJob,
  mirror: MirrorTable,
  at: string,
): Promise<TouchedRows[]> {
  if (mirror.parentTotals.length === 0) return [];
  const before: Counted = {
    from: 'difference',
    where: `"$operation" in ('U', 'D') and ${mirror.isResolved(
      ({ by }) => by.oldColumn,
      ({ oldLink }) => oldLink,
    )}`,
    sign: -1,
    value: ({ oldColumn }) => oldColumn,
    link: ({ oldLink }) => oldLink,
  };
  const after: Counted = {
    from: 'difference',
    where: `"$operation" in ('I', 'U', 'R') and ${mirror.isResolved(
      ({ by }) => by.column,
      ({ newLink }) => newLink,
    )}`,
    sign: 1,
    value: ({ column }) => column,
    link: ({ newLink }) => newLink,
  };
  return runTotals(em, mirror, addTotals(job, mirror, at, [before, after]));
}

/**
 * Runs expressions of which some are those of {@link addTotals}.
 * @param others tables of which other expressions have touched rows, by the expression's name
 * @returns how many rows of which tables were touched
 */
export async function runTotals(
  em: EntityManager,
  mirror: MirrorTable,
  expressions: string[],
  others: Record<string, string> = {},
): Promise<TouchedRows[]> {
  const totals = mirror.parentTotals.map(({ table }, index): [string, string] => [`summed${index}`, table]);
  const written = [...totals, ...Object.entries(others)];
  const counts = written.map(([name]) => `(select count(*)::int from ${name}) as ${name}`);
  const [row] = await em.execute<Record<string, number>[]>(
    `with ${expressions.join(', ')} select ${counts.join(', ')}`,
  );
  return written.map(([name, table]) => ({ table, rows: row?.[name] ?? 0 }));
}

/**
 * Expressions for a `with` clause that add what children begin or cease to count to the totals of their parents, each row once.
 * Parents that are gone have none. What a sum was before is logged where lists are sorted by it, so that their pages stay right
 * while it moves; not of the job's own rows, which have just arrived.
 */
export function addTotals(job: SyncJob, mirror: MirrorTable, at: string, counted: Counted[]): string[] {
  return mirror.parentTotals.flatMap((parents, index) => {
    const { table, totals, logged, resource } = parents;
    const links = mirror.links.filter((link) => totals.some((total) => total.link === link));
    const touched = links.flatMap((link) => counted.map((children) => contributions(parents, link, children)));
    const sums = totals.map((_, place) => `sum(${sumName(place)}) as ${sumName(place)}`);
    const isMoved = totals.map((_, place) => `sum(${sumName(place)}) <> 0`);
    const set = totals.map(({ column }, place) => `${column} = p.${column} + moved.${sumName(place)}`);
    const loggedAt = totals.findIndex(({ column }) => column === logged);
    const log =
      loggedAt === -1 || resource === job.resource
        ? []
        : [
            `logged${index} as (
               insert into total_change (source_id, resource, at, row_id, before)
               select p.source_id, ${literal(resource)}, ${literal(at)}, p.id, p.${logged}
                 from moved${index} moved join ${table} p on p.id = moved.parent_id where moved.${sumName(loggedAt)} <> 0)`,
          ];
    return [
      `moved${index} as (
         select parent_id, ${sums.join(', ')} from (${touched.join(' union all ')}) touched
          group by parent_id having ${isMoved.join(' or ')})`,
      ...log,
      `summed${index} as (
         update ${table} p set ${set.join(', ')} from moved${index} moved where p.id = moved.parent_id returning 1)`,
    ];
  });
}

/** What children add to the totals of the parents that they name by one of their links. */
function contributions(
  { totals }: ParentTotals,
  link: Link,
  { from, where, sign, value, link: linkOf }: Counted,
): string {
  const amounts = totals.map((total, place) => {
    const amount = total.sumOf === null ? '1' : `coalesce(${value(total.sumOf)}, 0)`;
    return `${total.link === link ? `${sign} * ${amount}` : '0'} as ${sumName(place)}`;
  });
  return `select ${linkOf(link)} as parent_id, ${amounts.join(', ')} from ${from} where ${linkOf(link)} is not null and ${where}`;
}

function sumName(place: number): string {
  return `sum${place}`;
}
