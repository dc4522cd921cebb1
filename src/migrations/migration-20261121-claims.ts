import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE, SYSTEM_ROLE } from '../database/source-isolation.js';
import { isolateSource } from './isolate-source.js';

/** Claims with their lines, and the total of each provider's claims. */
export class Migration20261121Claims extends Migration {
  override up(): void {
    for (const statement of [...tables, ...policies, ...grants]) this.addSql(statement);
  }
}

const tables = [
  `create table claim (
     source_id int not null references source,
     id uuid not null,
     external_claim_id text collate "C",
     idempotency_key text collate "C",
     content bytea not null,
     net_fee numeric(22,2) not null,
     line_count int not null,
     created timestamptz not null default now(),
     primary key (source_id, id))`,
  `create unique index claim_of_external_id on claim (source_id, external_claim_id) where external_claim_id is not null`,
  `create unique index claim_of_idempotency_key on claim (source_id, idempotency_key) where idempotency_key is not null`,
  // Day and time by the clock at the place of the service, so without a time zone.
  `create table claim_line (
     source_id int not null,
     claim_id uuid not null,
     line int not null,
     service_date timestamp not null,
     submitted_procedure text not null,
     quadrant text,
     plan_group_number text not null,
     subscriber_number text not null,
     provider_npi text collate "C" not null,
     provider_fees numeric(15,2) not null,
     allowed_fees numeric(15,2) not null,
     member_coinsurance numeric(15,2) not null,
     member_copay numeric(15,2) not null,
     net_fee numeric(16,2) not null,
     primary key (source_id, claim_id, line),
     foreign key (source_id, claim_id) references claim on delete cascade)`,
  // A row for each provider of a claim, so that pages of a provider's claims read no lines.
  `create table claim_provider (
     source_id int not null,
     provider_npi text collate "C" not null,
     claim_id uuid not null,
     primary key (source_id, provider_npi, claim_id),
     foreign key (source_id, claim_id) references claim on delete cascade)`,
  // Every claim updates it: pages keep space for new row versions, and autovacuum removes old ones before they are many.
  `create table provider_total (
     source_id int not null references source,
     provider_npi text collate "C" not null,
     net_fee numeric(28,2) not null,
     claims bigint not null,
     primary key (source_id, provider_npi))
     with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02)`,
  `create index provider_total_by_fee on provider_total (source_id, net_fee desc, provider_npi) include (claims)`,
];

/** What the application may do besides reading. Claims stay as they were accepted. */
const RIGHTS: Record<string, string> = {
  claim: 'insert',
  claim_line: 'insert',
  claim_provider: 'insert',
  provider_total: 'insert, update',
};

const policies = Object.keys(RIGHTS).flatMap((table) => isolateSource(table));

const grants = [
  ...Object.entries(RIGHTS).map(([table, rights]) => `grant select, ${rights} on ${table} to ${APP_ROLE}`),
  // For the command that rebuilds the totals.
  `grant delete on provider_total to ${SYSTEM_ROLE}`,
];
