import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE, SYSTEM_ROLE } from '../database/source-isolation.js';

/**
 * The audit log: a chain of entries, each with the hash of the one before. It is written by `audit_append` and shortened
 * by `audit_forget` alone, so that the application needs no right to the tables but SELECT.
 */
export class Migration20261121Audit extends Migration {
  override up(): void {
    for (const statement of [...tables, ...functions, ...guards, ...rights]) this.addSql(statement);
  }
}

const NOTHING = `'\\x${'00'.repeat(32)}'`;

const tables = [
  `create table audit_entry (
     seq bigint primary key,
     at timestamptz not null,
     actor text not null,
     key_id text,
     source text,
     action text not null,
     subject text,
     items int,
     address text,
     request_id text,
     outcome text not null check (outcome in ('allowed', 'refused', 'failed')),
     status int,
     previous_hash bytea not null,
     hash bytea not null)`,
  `create index audit_entry_of_actor on audit_entry (actor, seq)`,
  `create index audit_entry_of_action on audit_entry (action, seq)`,
  `create index audit_entry_of_subject on audit_entry (subject, seq)`,
  `create index audit_entry_of_source on audit_entry (source, seq)`,
  // Times rise with the numbers, so a BRIN index is enough.
  `create index audit_entry_at on audit_entry using brin (at) with (pages_per_range = 16, autosummarize = on)`,
  // The end of the chain, whose row is also the lock for appending; and the last entry that retention has deleted.
  `create table audit_chain (
     id int primary key check (id = 1),
     seq bigint not null,
     hash bytea not null,
     forgotten_seq bigint not null,
     forgotten_hash bytea not null) with (fillfactor = 10)`,
  `insert into audit_chain values (1, 0, ${NOTHING}, 0, ${NOTHING})`,
];

const functions = [
  // The same as src/audit/audit-chain.ts: each field is preceded by its length, so that no two entries hash the same text.
  `create function audit_hash(previous bytea, fields text[]) returns bytea language sql immutable as $$
     select sha256(previous || convert_to(string_agg(
       case when field is null then '-,' else octet_length(convert_to(field, 'UTF8')) || ':' || field || ',' end,
       '' order by place), 'UTF8'))
       from unnest(fields) with ordinality as f (field, place)
   $$`,
  `create function audit_append(entries jsonb) returns bigint language plpgsql security definer as $$
   declare
     chain record;
     entry jsonb;
     moment timestamptz;
     link bytea;
   begin
     select seq, hash into strict chain from audit_chain for update;
     -- After the lock, so that times rise with the numbers.
     moment := clock_timestamp();
     for entry in select value from jsonb_array_elements(entries) with ordinality order by ordinality loop
       link := chain.hash;
       chain.seq := chain.seq + 1;
       chain.hash := audit_hash(link, array[
         chain.seq::text, to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
         entry->>'actor', entry->>'keyId', entry->>'source', entry->>'action', entry->>'subject', entry->>'items',
         entry->>'address', entry->>'requestId', entry->>'outcome', entry->>'status']);
       insert into audit_entry values (
         chain.seq, moment,
         entry->>'actor', entry->>'keyId', entry->>'source', entry->>'action', entry->>'subject', (entry->>'items')::int,
         entry->>'address', entry->>'requestId', entry->>'outcome', (entry->>'status')::int, link, chain.hash);
     end loop;
     update audit_chain set seq = chain.seq, hash = chain.hash;
     return chain.seq;
   end $$`,
  // Deletes the oldest entries that are older than `days`, at most `batch` at once. One old entry stays, as proof that the
  // deleted ones were old: times rise with the numbers, and its own time is covered by the chain's hashes.
  `create function audit_forget(days int, batch int) returns int language plpgsql security definer as $$
   declare
     last record;
     dropped int;
   begin
     if days is null or days < 365 then
       raise exception 'audit entries are kept for at least 365 days';
     end if;
     perform 1 from audit_chain for update;
     select seq, hash into last
       from (select seq, hash, lead(at) over (order by seq) < now() - make_interval(days => days) as may_go
               from (select seq, hash, at from audit_entry order by seq limit batch + 1) oldest) judged
      where may_go order by seq desc limit 1;
     if not found then
       return 0;
     end if;
     update audit_chain set forgotten_seq = last.seq, forgotten_hash = last.hash;
     delete from audit_entry where seq <= last.seq;
     get diagnostics dropped = row_count;
     return dropped;
   end $$`,
];

/** Triggers refuse changes even to users who have the right to make them. */
const guards = [
  `create function audit_refuse() returns trigger language plpgsql as $$
   begin
     raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
   end $$`,
  `create function audit_refuse_unless_forgotten() returns trigger language plpgsql as $$
   begin
     if old.seq <= (select forgotten_seq from audit_chain) then
       return old;
     end if;
     raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
   end $$`,
  `create function audit_refuse_unless_onward() returns trigger language plpgsql as $$
   begin
     if new.seq >= old.seq and (new.forgotten_seq = old.forgotten_seq or exists (
       select from audit_entry
        where seq = new.forgotten_seq + 1 and new.forgotten_seq > old.forgotten_seq and at < now() - interval '365 days'))
     then
       return new;
     end if;
     raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
   end $$`,
  `create trigger refuse before update or truncate on audit_entry for each statement execute function audit_refuse()`,
  `create trigger refuse_unless_forgotten before delete on audit_entry
     for each row execute function audit_refuse_unless_forgotten()`,
  `create trigger refuse before delete or truncate on audit_chain for each statement execute function audit_refuse()`,
  `create trigger refuse_unless_onward before update on audit_chain
     for each row execute function audit_refuse_unless_onward()`,
];

const rights = [
  `revoke insert, update, delete, truncate on audit_entry, audit_chain from public`,
  `revoke all on function audit_append(jsonb), audit_forget(int, int) from public`,
  `grant execute on function audit_append(jsonb) to ${APP_ROLE}`,
  `grant execute on function audit_forget(int, int) to ${SYSTEM_ROLE}`,
  `grant select on audit_entry to ${SYSTEM_ROLE}`,
  // They run with the rights of their owner, so no other user may decide which tables they mean.
  `do $$ declare name text; begin
     foreach name in array array['audit_hash(bytea, text[])', 'audit_append(jsonb)', 'audit_forget(int, int)',
       'audit_refuse()', 'audit_refuse_unless_forgotten()', 'audit_refuse_unless_onward()'] loop
       execute format('alter function %s set search_path = pg_catalog, %I, pg_temp', name, current_schema());
     end loop;
   end $$`,
];
