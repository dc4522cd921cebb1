import { Migration } from '@mikro-orm/migrations';

/** Heartbeats outside of the jobs' rows, the wait between attempts, queues for long and short jobs, and stored bytes. */
export class Migration20261121Heartbeats extends Migration {
  override up(): void {
    for (const statement of statements) this.addSql(statement);
  }
}

const statements = [
  `create table job_heartbeat (
     job_id uuid primary key references sync_job on delete cascade,
     fence int not null,
     instance text not null,
     beat_at timestamptz not null) with (fillfactor = 50)`,
  // sync_job.heartbeat_at stays for processes of the version before; a later migration may drop it.
  `alter table sync_job add column retry_at timestamptz`,
  `alter table sync_job add column trouble text`,
  `alter table sync_job add column lane text not null default 'long'`,
  `create index sync_job_failed on sync_job (finished_at) where status = 'failed'`,
  `alter table snapshot add column stored_bytes bigint not null default 0`,
  `update snapshot s set stored_bytes = (
     select coalesce(sum(length(data)), 0) from snapshot_chunk c where c.snapshot_id = s.id) where purged_at is null`,
  `create index snapshot_stored on snapshot (source_id, touched_at) where purged_at is null`,
];
