import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../database/source-isolation.js';
import { isolateSource } from './isolate-source.js';

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
  ...isolateSource('planned_change'),
  `grant select, insert, delete on planned_change to ${APP_ROLE}`,
];
