import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE, SYSTEM_ROLE } from '../database/source-isolation.js';
import { CURRENT_SOURCE, HAS_SOURCE, isolateSource } from './isolate-source.js';

/**
 * Row-level security between sources. In every table with rows of sources the application's role sees the rows of the
 * source that the transaction has named (`counterpart.source`), and none if it has named none; the system's role sees all.
 * Owners are bound by it too. Both roles have been created before (`roles.ts`).
 */
export class Migration20261121Walls extends Migration {
  override up(): void {
    const policies = Object.entries(TABLES).flatMap(([table, belongs]) => isolateSource(table, belongs));
    for (const statement of [...errorsKnowTheirSource, ...policies, ...grants, ...view, ...partitions])
      this.addSql(statement);
  }
}

/** For tables whose rows are visible where the row is that they belong to. */
const belongsTo = (table: string, key: string) => `exists (select from ${table} owner where owner.id = ${key})`;

/** When a row of a table belongs to the current source. */
const TABLES: Record<string, string> = {
  source: `id = ${CURRENT_SOURCE}`,
  snapshot: HAS_SOURCE,
  snapshot_chunk: belongsTo('snapshot', 'snapshot_id'),
  sync_job: HAS_SOURCE,
  job_heartbeat: belongsTo('sync_job', 'job_id'),
  mirror_state: HAS_SOURCE,
  mirror_commit: HAS_SOURCE,
  idempotency_key: HAS_SOURCE,
  sync_error: HAS_SOURCE,
  change: HAS_SOURCE,
  total_change: HAS_SOURCE,
  patient: HAS_SOURCE,
  payment: HAS_SOURCE,
  webhook_endpoint: HAS_SOURCE,
  webhook_delivery: HAS_SOURCE,
};

const errorsKnowTheirSource = [
  `alter table sync_error add column source_id int default nullif(current_setting('counterpart.source', true), '')::int`,
  `update sync_error e set source_id = j.source_id from sync_job j where j.id = e.job_id`,
];

const grants = [
  `do $$ begin execute format('grant temporary on database %I to ${APP_ROLE}', current_database()); end $$`,
  `do $$ begin execute format('grant usage on schema %I to ${APP_ROLE}', current_schema()); end $$`,
  `grant usage, create on schema staging to ${APP_ROLE}`,
  // Tables that the version before has left there.
  `do $$ declare name text; begin
     for name in select tablename from pg_tables where schemaname = 'staging' loop
       execute format('alter table staging.%I owner to ${APP_ROLE}', name);
     end loop;
   end $$`,
  `grant select, update (last_commit) on source to ${APP_ROLE}`,
  `grant insert on source to ${SYSTEM_ROLE}`,
  `grant select, insert, update, delete on snapshot, snapshot_chunk, sync_job, job_heartbeat, mirror_state,
     idempotency_key, patient, payment, webhook_endpoint, webhook_delivery to ${APP_ROLE}`,
  // Logged rows stay as they are; whole months are dropped below. Errors of an attempt that failed are deleted.
  `grant select, insert on mirror_commit, change, total_change to ${APP_ROLE}`,
  `grant select, insert, delete on sync_error to ${APP_ROLE}`,
  `grant select on log_horizon, mikro_orm_migrations to ${APP_ROLE}`,
  // From there a job reads which ids it has given out.
  `grant select on sequence patient_id_seq, payment_id_seq to ${APP_ROLE}`,
];

/**
 * The same condition as a view, for queries by conditions that PostgreSQL does not know to be leakproof, such as ranges of
 * sums: under row-level security it would not use an index for them (it read half of 400,000 rows in 94 ms; with the index
 * it reads 50 in 0.1 ms). Queries to the view are bound by the view's condition, and run with its owner's right to see all.
 */
const view = [
  `create view patient_of_source as
     select id, source_id, external_id, first_name, last_name, middle_name, date_of_birth, payments_total, payments_count,
            created, updated, deleted_at
       from patient where ${HAS_SOURCE}`,
  `grant select on patient_of_source to ${APP_ROLE}`,
  `do $$ begin
     -- The new owner of a view must be allowed to make one, for this moment.
     execute format('grant create on schema %I to ${SYSTEM_ROLE}', current_schema());
     alter view patient_of_source owner to ${SYSTEM_ROLE};
     execute format('revoke create on schema %I from ${SYSTEM_ROLE}', current_schema());
   end $$`,
];

/** Only an owner may create and drop partitions: these two functions do it for the system's role, and nothing else. */
const partitions = [
  // Of this month and of those around it, but none of a time that was dropped.
  `create function ensure_log_partitions(months_ahead int) returns void language plpgsql security definer as $$
   declare
     parent text;
     horizon timestamptz;
     first timestamptz;
     name text;
   begin
     perform pg_advisory_xact_lock(hashtextextended('counterpart:partitions', 0));
     foreach parent in array array['sync_error', 'change', 'total_change'] loop
       select kept_from into horizon from log_horizon where log = parent;
       for month in -1..least(months_ahead, 12) loop
         first := (date_trunc('month', now() at time zone 'UTC') + make_interval(months => month)) at time zone 'UTC';
         name := parent || to_char(first at time zone 'UTC', '_YYYY_MM');
         if first >= coalesce(horizon, '-infinity') and to_regclass(format('%I', name)) is null then
           execute format('create table %I partition of %I for values from (%L) to (%L)',
             name, parent, first, (first at time zone 'UTC' + interval '1 month') at time zone 'UTC');
         end if;
       end loop;
     end loop;
   end $$`,
  `create function drop_log_partition(parent text, name text) returns void language plpgsql security definer as $$
   begin
     perform pg_advisory_xact_lock(hashtextextended('counterpart:partitions', 0));
     if parent in ('sync_error', 'change', 'total_change') and exists (
       select from pg_inherits where inhparent = to_regclass(format('%I', parent)) and inhrelid = to_regclass(format('%I', name)))
       -- Of months that are over.
       and to_date(right(name, 7), 'YYYY_MM') + interval '1 month' <= now() at time zone 'UTC'
     then
       execute format('drop table %I', name);
     end if;
   end $$`,
  ...['ensure_log_partitions(int)', 'drop_log_partition(text, text)'].flatMap((signature) => [
    // While it acts for the owner, tables of other users must not take the place of ours.
    `do $$ begin execute format('alter function ${signature} set search_path = %I, pg_temp', current_schema()); end $$`,
    `revoke execute on function ${signature} from public`,
    `grant execute on function ${signature} to ${SYSTEM_ROLE}`,
  ]),
  // For what is deleted along with a month of changes.
  `grant insert, update on log_horizon to ${SYSTEM_ROLE}`,
  `grant delete on mirror_commit to ${SYSTEM_ROLE}`,
];
