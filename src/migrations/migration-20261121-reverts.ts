import { Migration } from '@mikro-orm/migrations';

/** Jobs that undo the changes of another job: they have no snapshot. */
export class Migration20261121Reverts extends Migration {
  override up(): void {
    this.addSql('alter table sync_job add column revert_of uuid');
    this.addSql('alter table sync_job alter column snapshot_id drop not null');
    this.addSql(
      `alter table sync_job add constraint sync_job_origin check ((snapshot_id is null) = (revert_of is not null))`,
    );
  }
}
