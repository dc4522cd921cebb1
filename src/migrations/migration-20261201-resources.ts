import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../database/source-isolation.js';

/** The definitions of declared resources, as they were applied. Nobody's rows: they have no source. */
export class Migration20261201Resources extends Migration {
  override up(): void {
    this.addSql(
      `create table resource_definition (
         name text primary key,
         version int not null,
         shape jsonb not null,
         applied timestamptz not null)`,
    );
    this.addSql(`grant select on resource_definition to ${APP_ROLE}`);
  }
}
