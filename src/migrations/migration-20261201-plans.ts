import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE, SOURCE_SETTING, SYSTEM_ROLE } from '../platform/source-isolation.js';

const OF_SOURCE = `source_id = nullif(current_setting('${SOURCE_SETTING}', true), '')::int`;

/** What jobs would change that were held, or were only tried. */
export class Migration20261201Plans extends Migration {
  override up(): void {
    for (const statement of statements) this.addSql(statement);
  }
}

const statements = [
  `create table planned_change (
     source_id int not null,
     job_id uuid not null,
     ordinal int not null,
     external_id text collate "C" not null,
     operation text not null,
     before jsonb,
     after jsonb,
     primary key (source_id, job_id, ordinal))`,
  `alter table planned_change enable row level security`,
  `alter table planned_change force row level security`,
  `create policy planned_change_of_source on planned_change to ${APP_ROLE} using (${OF_SOURCE}) with check (${OF_SOURCE})`,
  `create policy planned_change_of_all on planned_change to ${SYSTEM_ROLE} using (true) with check (true)`,
  `grant select, insert, delete on planned_change to ${APP_ROLE}`,
];
