import type { Client } from 'pg';
import type { MirrorTable } from '../tables/mirror-table.js';
import { indexPrefix } from './resource-ddl.js';

/** What the database has of a resource. All names are quoted. */
export interface FoundTable {
  /** Types by column, as definitions have them; none if there is no table. */
  columns: ReadonlyMap<string, string>;
  /** The same of the table with the totals of its rows. */
  totals: ReadonlyMap<string, string>;
  /** The indexes that are ours to drop, and whether each is valid. */
  indexes: ReadonlyMap<string, boolean>;
}

export async function findTable(client: Client, mirror: MirrorTable): Promise<FoundTable> {
  return {
    columns: await columnsOf(client, mirror.table),
    totals: await columnsOf(client, mirror.totalsTable),
    indexes: await indexesOf(client, mirror),
  };
}

async function columnsOf(client: Client, table: string): Promise<Map<string, string>> {
  const { rows } = await client.query<{ name: string; type: string }>(
    `select '"' || attname || '"' as name,
            format_type(atttypid, atttypmod) || case when attcollation = '"C"'::regcollation then ' collate "C"' else '' end as type
       from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped order by attnum`,
    [table],
  );
  return new Map(rows.map(({ name, type }) => [name, type]));
}

async function indexesOf(client: Client, mirror: MirrorTable): Promise<Map<string, boolean>> {
  const { rows } = await client.query<{ name: string; is_valid: boolean }>(
    `select '"' || relname || '"' as name, indisvalid as is_valid
       from pg_index join pg_class on pg_class.oid = indexrelid
      where indrelid = to_regclass($1) and starts_with(relname, $2)`,
    [mirror.table, indexPrefix(mirror)],
  );
  return new Map(rows.map(({ name, is_valid }) => [name, is_valid]));
}
