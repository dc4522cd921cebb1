import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE, SYSTEM_ROLE } from '../database/source-isolation.js';
import { HAS_SOURCE, isolateSource } from './isolate-source.js';

/**
 * Puts the totals of patients into a table of their own: a moved total wrote a row with six indexes anew, and now a narrow one
 * with two. Like those of declared resources it has a row for each live parent; unlike them an external id, which breaks the
 * ties of lists by total, so that a page is read along one index.
 *
 * The version before goes on working beside this one. It reads the view, which shows what it did. It writes the columns of
 * `patient`, which nobody else does any more: triggers add what it adds to the new table, make and delete its rows along with
 * patients, and correct what it logs of totals, as its columns do not know what others have moved. The columns, the triggers and
 * the join of the view stay until a later release drops them.
 */
export class Migration20261201PatientTotals extends Migration {
  override up(): void {
    for (const statement of [...locks, ...table, ...views, ...triggers]) this.addSql(statement);
  }
}

/** In the order in which readers take them, so that neither waits for the other. Nobody reads patients until the commit. */
const locks = [`drop view patient_of_source`, `lock table patient in access exclusive mode`];

const table = [
  `create table patient_totals (
     source_id int not null,
     id bigint not null,
     external_id text collate "C" not null,
     payments_total numeric not null default 0,
     payments_count bigint not null default 0)`,
  ...isolateSource('patient_totals'),
  `grant select, insert, update, delete on patient_totals to ${APP_ROLE}`,
  // Owners are bound by row-level security too.
  `set local role ${SYSTEM_ROLE}`,
  `insert into patient_totals (source_id, id, external_id, payments_total, payments_count)
   select source_id, id, external_id, payments_total, payments_count from patient where deleted_at is null`,
  `set local role none`,
  `alter table patient_totals add primary key (source_id, id)`,
  `create index patient_totals_in_order on patient_totals (source_id, payments_total, external_id)`,
  `analyze patient_totals`,
  `drop index patient_total`,
];

const views = [
  // As an outer join, which is left out where nobody asks for totals.
  `create view patient_of_source as
     select p.id, p.source_id, p.external_id, p.first_name, p.last_name, p.middle_name, p.date_of_birth,
            totals.payments_total, totals.payments_count::int as payments_count, p.created, p.updated, p.deleted_at
       from patient p left join patient_totals totals on totals.source_id = p.source_id and totals.id = p.id
      where p.${HAS_SOURCE}`,
  // For ranges, for which row-level security would not use an index.
  `create view patient_totals_of_source as
     select source_id, id, external_id, payments_total, payments_count from patient_totals where ${HAS_SOURCE}`,
  `grant select on patient_of_source, patient_totals_of_source to ${APP_ROLE}`,
  // The new owner of a view must be allowed to make one, for this moment.
  `do $$ begin
     execute format('grant create on schema %I to ${SYSTEM_ROLE}', current_schema());
     alter view patient_of_source owner to ${SYSTEM_ROLE};
     alter view patient_totals_of_source owner to ${SYSTEM_ROLE};
     execute format('revoke create on schema %I from ${SYSTEM_ROLE}', current_schema());
   end $$`,
];

/** Whether a transaction does not say that it keeps totals itself: it is one of the version before. */
const IS_OLDER = `current_setting('counterpart.keeps_totals', true) is distinct from 'yes'`;

const triggers = [
  `create function keep_patient_totals() returns trigger language plpgsql as $$
   begin
     if new.deleted_at is not null then
       delete from patient_totals where source_id = new.source_id and id = new.id;
       return null;
     end if;
     -- The columns of the patient may lack what others have moved: only the difference is right.
     insert into patient_totals as kept (source_id, id, external_id, payments_total, payments_count)
     values (new.source_id, new.id, new.external_id,
             new.payments_total - coalesce(old.payments_total, 0), new.payments_count - coalesce(old.payments_count, 0))
     on conflict (source_id, id) do update
        set payments_total = kept.payments_total + excluded.payments_total,
            payments_count = kept.payments_count + excluded.payments_count;
     return null;
   end $$`,
  `create trigger make_totals after insert on patient for each row when (${IS_OLDER}) execute function keep_patient_totals()`,
  // That version names the totals where it moves them and where it deletes, and `deleted_at` where it restores.
  `create trigger move_totals after update of payments_total, payments_count, deleted_at on patient for each row
     when (${IS_OLDER} and (old.deleted_at is null or new.deleted_at is null)
           and (old.deleted_at, old.payments_total, old.payments_count)
               is distinct from (new.deleted_at, new.payments_total, new.payments_count))
     execute function keep_patient_totals()`,
  // It moves totals in the same statement, after which the trigger above moves those of the table.
  `create function log_patient_total() returns trigger language plpgsql as $$
   begin
     new.before := coalesce(
       (select payments_total from patient_totals where source_id = new.source_id and id = new.row_id), new.before);
     return new;
   end $$`,
  `create trigger log_total before insert on total_change for each row
     when (new.resource = 'patients' and ${IS_OLDER}) execute function log_patient_total()`,
];
