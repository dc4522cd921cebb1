import { Migration } from '@mikro-orm/migrations';

/** The order of commits, from which the feed of changes is read, and how far back the logs go. */
export class Migration20261121Changes extends Migration {
  override up(): void {
    for (const statement of [...commits, ...horizons]) this.addSql(statement);
  }
}

/** The number of rows that a job changed. */
const CHANGED_ROWS = `(counts->>'created')::int + (counts->>'updated')::int + (counts->>'deleted')::int`;

const commits = [
  // The number of the source's last commit that changed rows.
  `alter table source add column last_commit bigint not null default 0`,
  `create table mirror_commit (
     source_id int not null references source,
     seq bigint not null,
     resource text not null,
     job_id uuid not null references sync_job on delete cascade,
     at timestamptz not null,
     rows int not null,
     primary key (source_id, seq))`,
  `create index mirror_commit_of_resource on mirror_commit (source_id, resource, seq)`,
  `create index mirror_commit_at on mirror_commit (at)`,
  // For finding a row's job by the row's time.
  `create index sync_job_applied on sync_job (source_id, resource, applied_at) where applied_at is not null`,
  // What was committed before commits were numbered took effect in the order of its times.
  `insert into mirror_commit (source_id, seq, resource, job_id, at, rows)
   select source_id, row_number() over (partition by source_id order by applied_at, id), resource, id, applied_at,
          ${CHANGED_ROWS}
     from sync_job where applied_at is not null and status = 'completed' and ${CHANGED_ROWS} > 0`,
  `update source set last_commit = numbered.last
     from (select source_id, max(seq) as last from mirror_commit group by source_id) numbered
    where source.id = numbered.source_id`,
];

const horizons = [
  // Written by the transaction that drops partitions: rows older than `kept_from` are gone.
  `create table log_horizon (
     log text primary key,
     kept_from timestamptz not null)`,
];
