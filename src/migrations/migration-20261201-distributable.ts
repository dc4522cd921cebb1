import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE, SYSTEM_ROLE } from '../database/source-isolation.js';
import { HAS_SOURCE } from './isolate-source.js';

/**
 * Makes the tables of patients and payments like those of declared resources: keys that begin with the source, and no foreign
 * keys. A database that distributes its tables by source wants both, and without the checks of the foreign keys a first load
 * takes half as long. The links between rows are computed under the mirror's locks, and rows are never deleted; `mirror verify`
 * proves more than a foreign key could.
 *
 * The version before goes on working: its statements name the source or run under its policy.
 */
export class Migration20261201Distributable extends Migration {
  override up(): void {
    for (const statement of [...keys, ...view]) this.addSql(statement);
  }
}

const keys = [
  `alter table payment drop constraint payment_patient_id_fkey, drop constraint payment_source_id_fkey`,
  `alter table patient drop constraint patient_source_id_fkey`,
  ...['patient', 'payment'].map(
    (table) => `alter table ${table} drop constraint ${table}_pkey, add primary key (source_id, id)`,
  ),
];

const view = [
  `create view payment_of_source as select * from payment where ${HAS_SOURCE}`,
  `grant select on payment_of_source to ${APP_ROLE}`,
  // The new owner of a view must be allowed to make one, for this moment.
  `do $$ begin
     execute format('grant create on schema %I to ${SYSTEM_ROLE}', current_schema());
     alter view payment_of_source owner to ${SYSTEM_ROLE};
     execute format('revoke create on schema %I from ${SYSTEM_ROLE}', current_schema());
   end $$`,
];
