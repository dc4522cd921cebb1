import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../database/source-isolation.js';

/** Lets a job analyze the tables that it has filled, although its role owns none of them. */
export class Migration20261130Statistics extends Migration {
  override up(): void {
    for (const statement of analyzeMirror) this.addSql(statement);
  }
}

/**
 * Only an owner may analyze a table, or since PostgreSQL 17 whoever has MAINTAIN on it, which would also allow to lock it
 * and to rewrite it. This function acts for the owner, on any version, and does nothing else.
 * It says whether the table was analyzed.
 *
 * It waits for its lock for 3 s: an autovacuum of the table gives way after 1 s (`deadlock_timeout`), another source's
 * job holds the lock from its own ANALYZE to its commit. If that takes longer, the table goes without; autovacuum comes
 * by later.
 */
const analyzeMirror = [
  `create function analyze_mirror(mirror regclass) returns boolean language plpgsql security definer set lock_timeout = '3s' as $$
   begin
     if not exists (select from pg_class where oid = mirror and relkind = 'r' and relnamespace = current_schema()::regnamespace) then
       return false;
     end if;
     execute format('analyze %s', mirror);
     return true;
   exception when lock_not_available or deadlock_detected then
     return false;
   end $$`,
  // Nobody's own tables may take the place of ours while it acts for the owner.
  `do $$ begin execute format('alter function analyze_mirror(regclass) set search_path = %I, pg_temp', current_schema()); end $$`,
  `revoke execute on function analyze_mirror(regclass) from public`,
  `grant execute on function analyze_mirror(regclass) to ${APP_ROLE}`,
];
