import { APP_ROLE, SOURCE_SETTING, SYSTEM_ROLE } from '../database/source-isolation.js';

/**
 * The id of the source that the transaction has named, null if it has named none. As a subquery PostgreSQL evaluates it
 * once for each statement, not for each row.
 */
export const CURRENT_SOURCE = `(select nullif(current_setting('${SOURCE_SETTING}', true), '')::int)`;

/** Whether a row with a `source_id` belongs to the current source. */
export const HAS_SOURCE = `source_id = ${CURRENT_SOURCE}`;

/**
 * Statements for a migration that creates a table with rows of sources: row-level security by which the application's
 * role reads and writes rows of the current source only, and the system's role those of all sources. The table's owner
 * is bound by it too. What each role may do with the rows is for the migration to grant.
 *
 * Migrations that were run use this as well, so the text that it returns must not change.
 * @param belongs whether a row belongs to the current source, where the table has no `source_id`
 */
export function isolateSource(table: string, belongs: string = HAS_SOURCE): string[] {
  return [
    `alter table ${table} enable row level security`,
    `alter table ${table} force row level security`,
    `create policy ${table}_of_source on ${table} to ${APP_ROLE} using (${belongs}) with check (${belongs})`,
    `create policy ${table}_of_all on ${table} to ${SYSTEM_ROLE} using (true) with check (true)`,
  ];
}
