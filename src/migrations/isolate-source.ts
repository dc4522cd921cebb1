import { APP_ROLE, SOURCE_SETTING, SYSTEM_ROLE } from '../database/source-isolation.js';

/**
 * The id of the source that the transaction has named, null if it has named none. As a subquery PostgreSQL evaluates it
 * once for each statement, not for each row, and only when it runs: of a setting that it compares directly it looks up the value
 * while it plans, takes a source that the statistics do not know for one row, and looks through the differences of a large job for
 * each row of the source.
 */
export const CURRENT_SOURCE = `(select nullif(current_setting('${SOURCE_SETTING}', true), '')::int)`;

/** Whether a row with a `source_id` belongs to the current source. */
export const HAS_SOURCE = `source_id = ${CURRENT_SOURCE}`;

/**
 * Statements that go with the creation of a table with rows of sources: row-level security by which the application's
 * role reads and writes rows of the current source only, and the system's role those of all sources. The table's owner
 * is bound by it too. What each role may do with the rows is granted beside this.
 *
 * Migrations that were run use this as well, so the text that it returns must not change.
 * @param belongs whether a row belongs to the current source, where the table has no `source_id`
 * @param prefix what the names of the policies begin with
 */
export function isolateSource(table: string, belongs: string = HAS_SOURCE, prefix = `${table}_`): string[] {
  return [
    `alter table ${table} enable row level security`,
    `alter table ${table} force row level security`,
    `create policy ${prefix}of_source on ${table} to ${APP_ROLE} using (${belongs}) with check (${belongs})`,
    `create policy ${prefix}of_all on ${table} to ${SYSTEM_ROLE} using (true) with check (true)`,
  ];
}
