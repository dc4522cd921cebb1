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
         add column window_low numeric, add column window_high numeric, add column content text, add column window_field text,
         add column definition int`,
    );
    // The version before copies the mode of a job that it replays, but not its bounds: without them a window would be everything.
    this.addSql(
      `alter table sync_job add constraint sync_job_window
         check ((mode = 'window') = (window_field is not null and window_low is not null and window_high is not null))`,
    );
  }
}
