import { Migration } from '@mikro-orm/migrations';
import { SYSTEM_ROLE } from '../database/source-isolation.js';

/** Adds partitions to logs that are being written and read. */
export class Migration20261130Partitions extends Migration {
  override up(): void {
    for (const statement of addPartition) this.addSql(statement);
  }
}

/**
 * Only an owner may add a partition; this function does it for the system's role, and nothing else. The partition is made
 * first and attached then: that locks the log against other changes of its partitions, while `create table … partition of`
 * locks it against reading and writing too. What was dropped is not made again.
 *
 * `ensure_log_partitions` stays for processes of the version before; a later migration may drop it.
 */
const addPartition = [
  `create function add_log_partition(parent text, months_ahead int) returns void language plpgsql security definer
   set lock_timeout = '2s' as $$
   declare
     month timestamp := date_trunc('month', now() at time zone 'UTC') + make_interval(months => months_ahead);
     first timestamptz := month at time zone 'UTC';
     past timestamptz := (month + interval '1 month') at time zone 'UTC';
     name text := parent || to_char(month, '_YYYY_MM');
   begin
     if parent not in ('sync_error', 'change', 'total_change') or months_ahead not between -1 and 12 then
       raise exception 'there is no such partition';
     end if;
     if to_regclass(format('%I', name)) is not null then return; end if;
     perform pg_advisory_xact_lock(hashtextextended('counterpart:partitions', 0));
     if to_regclass(format('%I', name)) is not null
        or exists (select from log_horizon where log = parent and kept_from > first) then
       return;
     end if;
     execute format('create table %I (like %I including all)', name, parent);
     execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, name, first, past);
   end $$`,
  // While it acts for the owner, tables of other users must not take the place of ours.
  `do $$ begin execute format('alter function add_log_partition(text, int) set search_path = %I, pg_temp', current_schema()); end $$`,
  `revoke execute on function add_log_partition(text, int) from public`,
  `grant execute on function add_log_partition(text, int) to ${SYSTEM_ROLE}`,
];
