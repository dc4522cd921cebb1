import { Migration } from '@mikro-orm/migrations';
import { SYSTEM_ROLE } from '../database/source-isolation.js';

/** Counts of recent requests, and the uploads under way. Unlogged: both may be lost in a crash. */
export class Migration20261121Limits extends Migration {
  override up(): void {
    for (const statement of statements) this.addSql(statement);
  }
}

const statements = [
  // In the shape that the library rate-limiter-flexible expects. `expire` is in milliseconds since 1970.
  `create unlogged table rate_limit (
     key text primary key,
     points int not null,
     expire bigint) with (fillfactor = 50)`,
  `create unlogged table upload_slot (
     id uuid primary key,
     source_id int not null,
     until timestamptz not null) with (fillfactor = 50)`,
  `create index upload_slot_of_source on upload_slot (source_id)`,
  // A function, since only a statement after the one that takes the lock sees what others committed before.
  `create function take_upload_slot(slot uuid, source int, most int, lease_seconds int) returns boolean language plpgsql as $$
   begin
     perform pg_advisory_xact_lock(hashtextextended('counterpart:uploads:' || source, 0));
     delete from upload_slot where source_id = source and until < clock_timestamp();
     if (select count(*) from upload_slot where source_id = source) >= most then
       return false;
     end if;
     insert into upload_slot values (slot, source, clock_timestamp() + make_interval(secs => lease_seconds));
     return true;
   end $$`,
  `grant select, insert, update, delete on rate_limit, upload_slot to ${SYSTEM_ROLE}`,
];
