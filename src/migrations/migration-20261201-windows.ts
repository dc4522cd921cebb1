import { Migration } from '@mikro-orm/migrations';

/**
 * Snapshots that speak for a range of a field. The bounds as text, and as numbers of the same order, in which jobs are compared;
 * null for jobs that may touch any row. The content is what `mirror_state` has for snapshots that speak for everything. The definition is the version under
 * which a snapshot of a declared resource was read.
 */
export class Migration20261201Windows extends Migration {
  override up(): void {
    this.addSql(
      `alter table sync_job add column window_from text, add column window_to text,
         add column window_low numeric, add column window_high numeric, add column content text,
         add column definition int`,
    );
  }
}
