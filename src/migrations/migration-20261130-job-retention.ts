import { Migration } from '@mikro-orm/migrations';

/** Indexes for the deletion of old jobs: to find them in the order of their ends, and what refers to them. */
export class Migration20261130JobRetention extends Migration {
  override up(): void {
    for (const statement of statements) this.addSql(statement);
  }
}

const statements = [
  `create index sync_job_finished on sync_job (finished_at, id) where finished_at is not null`,
  `create index sync_job_replay_of on sync_job (replay_of) where replay_of is not null`,
  `create index sync_job_revert_of on sync_job (revert_of) where revert_of is not null`,
  `create index mirror_commit_of_job on mirror_commit (job_id)`,
  `create index idempotency_key_of_job on idempotency_key (job_id)`,
  `create index webhook_delivery_of_job on webhook_delivery (job_id) where job_id is not null`,
];
