import { Migration } from '@mikro-orm/migrations';

/** When values or rows of a declared resource were lost with a changed definition: what was logged before tells of them no more. */
export class Migration20261201Losses extends Migration {
  override up(): void {
    this.addSql('alter table resource_definition add column lost_at timestamptz');
  }
}
