import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../database/source-isolation.js';
import { isolateSource } from './isolate-source.js';

const TABLES = ['cashflow_pull', 'cashflow_pull_piece', 'cashflow_pull_job'];

/** Pulls of bank transactions: where each stands, what it has received and not yet submitted, and the jobs that it made. */
export class Migration20261201Pulls extends Migration {
  override up(): void {
    const policies = TABLES.flatMap((table) => isolateSource(table));
    const grants = TABLES.map((table) => `grant select, insert, update, delete on ${table} to ${APP_ROLE}`);
    for (const statement of [...pulls, ...pieces, ...jobs, ...policies, ...grants]) this.addSql(statement);
  }
}

const UNFINISHED = `('queued', 'fetching', 'applying', 'awaiting_approval')`;

const pulls = [
  `create table cashflow_pull (
     source_id int not null,
     id uuid not null,
     base_url text not null,
     dialect text not null check (dialect in ('auto', 'own', 'glued', 'paged')),
     detected text check (detected in ('own', 'glued', 'paged')),
     rates text not null check (rates in ('auto', 'worth', 'perEuro')),
     every text,
     every_seconds int,
     next_at timestamptz,
     schedule_id uuid,
     status text not null default 'queued'
       check (status in ('queued', 'fetching', 'applying', 'awaiting_approval', 'completed', 'failed', 'cancelled')),
     positions jsonb not null default '{}',
     gaps jsonb not null default '[]',
     warnings jsonb not null default '[]',
     waiting jsonb,
     error jsonb,
     fence int not null default 0,
     attempts int not null default 0,
     leased_until timestamptz,
     submitted_at timestamptz not null default now(),
     started_at timestamptz,
     finished_at timestamptz,
     primary key (source_id, id)) with (fillfactor = 80)`,
  // One pull of a source at a time, whatever two callers do at once. Also what workers look for all the time.
  `create unique index cashflow_pull_unfinished on cashflow_pull (source_id) where status in ${UNFINISHED}`,
  `create index cashflow_pull_scheduled on cashflow_pull (source_id, next_at) where next_at is not null`,
  `create index cashflow_pull_finished on cashflow_pull (source_id, finished_at) where finished_at is not null`,
];

/** Rows of one month in a part of one answer, as compressed NDJSON; null: the part has none. */
const pieces = [
  `create table cashflow_pull_piece (
     source_id int not null,
     pull_id uuid not null,
     resource text not null,
     seq int not null,
     month text not null,
     from_at text not null,
     to_at text not null,
     records int not null,
     data bytea,
     primary key (source_id, pull_id, resource, seq))`,
  `alter table cashflow_pull_piece alter column data set storage external`,
];

const jobs = [
  `create table cashflow_pull_job (
     source_id int not null,
     pull_id uuid not null,
     job_id uuid not null,
     resource text not null,
     primary key (source_id, pull_id, job_id))`,
];
