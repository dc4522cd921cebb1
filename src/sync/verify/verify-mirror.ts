import pg from 'pg';
import { literal } from '../../database/database.js';
import type { MirrorFault, MirrorVerdict } from './mirror-verdict.js';
import { SYSTEM_ROLE } from '../../database/source-isolation.js';
import { asKey } from '../tables/mirror-sql.js';
import type { MirrorTable, MirrorTables, OwnTotal } from '../tables/mirror-table.js';

/** Faults that are listed of each kind. Further ones have the same cause. */
const MAX_LISTED = 20;

/** Which part of the mirror to look at; null: all. */
export interface VerifiedPart {
  source: string | null;
  resource: string | null;
}

/**
 * Compares links, totals and the change feed with the rows that they follow from, for all sources or one. All of it in one
 * snapshot of the database, so that jobs which take effect meanwhile are either in it or not.
 */
export async function verifyMirror(
  databaseUrl: string,
  tables: MirrorTables,
  part: VerifiedPart,
): Promise<MirrorVerdict> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'counterpart mirror' });
  await client.connect();
  try {
    await client.query(`begin isolation level repeatable read read only; set local role ${SYSTEM_ROLE}`);
    const chosen = tables.all.filter(({ resource }) => part.resource === null || resource === part.resource);
    const sources = await countSources(client, part.source);
    const faults: MirrorFault[] = [];
    let rows = 0;
    // oxlint-disable-next-line no-await-in-loop -- over resources
    for (const mirror of chosen) {
      rows += await countRows(client, mirror, part.source);
      for (const statement of statements(mirror))
        faults.push(...(await faultsOf(client, mirror, statement, part.source)));
    }
    await client.query('commit');
    return { resources: chosen.length, sources, rows, faults };
  } finally {
    await client.end();
  }
}

/** SQL that yields the source's id, an external id or null, and what is wrong. */
function statements(mirror: MirrorTable): string[] {
  const { links, totals } = mirror;
  return [
    ...links.map(({ parent, linkColumn, by, parentTable }) => {
      return `select c.source_id, c.external_id, 'its link to ${parent.name} is not that of the live row that it names' as what
         from ${mirror.table} c left join ${parentTable} p
           on p.source_id = c.source_id and p.deleted_at is null and p.external_id = c.${by.column}${asKey(by)}
        where c.deleted_at is null and c.${linkColumn} is distinct from p.id`;
    }),
    ...totals.map((total) => wrongTotal(mirror, total)),
    ...(totals.length > 0 ? [wrongTotalRows(mirror)] : []),
    wrongCommits(mirror),
  ];
}

function wrongTotal({ table, totalsTable }: MirrorTable, { name, column, child, link, sumOf }: OwnTotal): string {
  const value = sumOf === null ? 'count(*)' : `coalesce(sum(c.${sumOf.column}), 0)`;
  return `
    select t.source_id, t.external_id, ${literal(name)} || ' is ' || kept.${column} || ', and its children say ' || coalesce(counted.value, 0) as what
      from ${table} t
      join ${totalsTable} kept on kept.source_id = t.source_id and kept.id = t.id
      left join (
        select c.source_id, c.${link.linkColumn} as id, ${value} as value from ${child.table} c
         where c.deleted_at is null and ${child.isRowResolved('c')} group by 1, 2) counted
        on counted.source_id = t.source_id and counted.id = t.id
     where t.deleted_at is null and kept.${column} <> coalesce(counted.value, 0)`;
}

function wrongTotalRows({ table, totalsTable, totalsKey }: MirrorTable): string {
  const isOther = totalsKey.map((column) => `kept.${column} <> t.${column}`).join(' or ');
  return `
    select coalesce(t.source_id, kept.source_id) as source_id, t.external_id,
           case when t.id is null then 'there are totals of a row that is not live'
                when kept.id is null then 'it has no totals' else 'its totals have another external id' end as what
      from (select * from ${table} where deleted_at is null) t
      full join ${totalsTable} kept on kept.source_id = t.source_id and kept.id = t.id
     where t.id is null or kept.id is null or ${isOther}`;
}

/** The feed reads what a commit changed from the log and, of created rows, from the table. */
function wrongCommits({ table, resource }: MirrorTable): string {
  return `
    select commit.source_id, null as external_id,
           'commit ' || commit.seq || ' of the feed has ' || commit.rows || ' changes, and the rows say ' || found.rows as what
      from mirror_commit commit join sync_job job on job.id = commit.job_id
     cross join lateral (
       select (select count(*) from change c
                where c.source_id = commit.source_id and c.resource = commit.resource and c.at = commit.at)
            + (select count(*) from ${table} t
                where t.source_id = commit.source_id and t.id > job.created_after_id and t.id <= job.created_up_to_id
                  and t.created = commit.at) as rows) found
     where commit.resource = ${literal(resource)} and commit.rows <> found.rows`;
}

async function faultsOf(
  client: pg.Client,
  { resource }: MirrorTable,
  statement: string,
  source: string | null,
): Promise<MirrorFault[]> {
  const { rows } = await client.query<{ source: string; external_id: string | null; what: string }>(
    `select source.name as source, fault.external_id, fault.what from (${statement}) fault
       join source on source.id = fault.source_id where $1::text is null or source.name = $1
      order by 1, 2 limit ${MAX_LISTED}`,
    [source],
  );
  return rows.map((row) => ({ source: row.source, resource, externalId: row.external_id, what: row.what }));
}

async function countSources(client: pg.Client, source: string | null): Promise<number> {
  const { rows } = await client.query<{ sources: number }>(
    `select count(*)::int as sources from source where $1::text is null or name = $1`,
    [source],
  );
  return rows[0]?.sources ?? 0;
}

async function countRows(client: pg.Client, { table }: MirrorTable, source: string | null): Promise<number> {
  const { rows } = await client.query<{ rows: string }>(
    `select count(*) as rows from ${table} t join source on source.id = t.source_id where $1::text is null or source.name = $1`,
    [source],
  );
  return Number(rows[0]?.rows);
}
