import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE, SYSTEM_ROLE } from '../database/source-isolation.js';
import { HAS_SOURCE } from './isolate-source.js';

/**
 * Makes the tables of patients and payments like those of declared resources: with keys that begin with the source, as a database
 * that distributes its tables by source wants them.
 *
 * The version before goes on working: its statements name the source or run under its policy.
 */
export class Migration20261201Distributable extends Migration {
  override up(): void {
    for (const statement of [...keys, ...view]) this.addSql(statement);
  }
}

// What takes long: the foreign keys are gone by then, as their end locks the tables that they refer to.
const keys = ['patient', 'payment'].map(
  (table) => `alter table ${table} drop constraint ${table}_pkey, add primary key (source_id, id)`,
);

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
