import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE, SOURCE_SETTING, SYSTEM_ROLE } from '../platform/source-isolation.js';

/**
 * Makes the tables of patients and payments like those of declared resources: keys that begin with the source, no foreign
 * keys, and policies that compare instead of asking a subquery. A database that distributes its tables by source wants all
 * three, and without the checks of the foreign keys a first load takes half as long. The links between rows are computed under
 * the mirror's locks, and rows are never deleted; `mirror verify` proves more than a foreign key could.
 *
 * The version before goes on working: its statements name the source or run under its policy.
 */
export class Migration20261201Distributable extends Migration {
  override up(): void {
    for (const statement of [...keys, ...policies, ...view]) this.addSql(statement);
  }
}

const keys = [
  `alter table payment drop constraint payment_patient_id_fkey, drop constraint payment_source_id_fkey`,
  `alter table patient drop constraint patient_source_id_fkey`,
  ...['patient', 'payment'].map(
    (table) => `alter table ${table} drop constraint ${table}_pkey, add primary key (source_id, id)`,
  ),
];

const OF_SOURCE = `source_id = nullif(current_setting('${SOURCE_SETTING}', true), '')::int`;

/** Every policy that compares the source with that of a subquery. */
const policies = [
  `do $$ declare found record; begin
     for found in
       select tablename, policyname from pg_policies
        where schemaname = current_schema() and '${APP_ROLE}' = any(roles) and qual like '(source_id = ( SELECT %'
     loop
       execute format('alter policy %I on %I using (%s) with check (%s)', found.policyname, found.tablename,
         $cond$${OF_SOURCE}$cond$, $cond$${OF_SOURCE}$cond$);
     end loop;
   end $$`,
  `alter policy source_of_source on source
     using (id = nullif(current_setting('${SOURCE_SETTING}', true), '')::int)
     with check (id = nullif(current_setting('${SOURCE_SETTING}', true), '')::int)`,
];

const view = [
  `create or replace view patient_of_source as
     select id, source_id, external_id, first_name, last_name, middle_name, date_of_birth, payments_total, payments_count,
            created, updated, deleted_at
       from patient where ${OF_SOURCE}`,
  `create view payment_of_source as select * from payment where ${OF_SOURCE}`,
  `grant select on payment_of_source to ${APP_ROLE}`,
  // The new owner of a view must be allowed to make one, for this moment.
  `do $$ begin
     execute format('grant create on schema %I to ${SYSTEM_ROLE}', current_schema());
     alter view payment_of_source owner to ${SYSTEM_ROLE};
     execute format('revoke create on schema %I from ${SYSTEM_ROLE}', current_schema());
   end $$`,
];
