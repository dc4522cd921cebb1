import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE, SYSTEM_ROLE } from '../platform/source-isolation.js';

/** What the payments service is to be told of claims, and what came of it there. */
export class Migration20261121ClaimPayments extends Migration {
  override up(): void {
    const walls = ['payment_notification', 'claim_payment'].flatMap(wall);
    for (const statement of [...notifications, ...payments, ...walls, ...grants]) this.addSql(statement);
  }
}

const notifications = [
  `create table payment_notification (
     source_id int not null references source,
     claim_id uuid not null,
     net_fee numeric not null,
     status text not null default 'pending' check (status in ('pending', 'notified', 'settled', 'failed')),
     attempts int not null default 0,
     reason text,
     round int not null default 1,
     relayed_at timestamptz,
     created timestamptz not null default now(),
     updated timestamptz not null default now(),
     primary key (source_id, claim_id)) with (fillfactor = 80)`,
  `create index payment_notification_by_status on payment_notification (source_id, status, claim_id)`,
  // What the relay and the rescue look through, over and over: as small as the work that waits.
  `create index payment_notification_to_relay on payment_notification (source_id, claim_id) where relayed_at is null`,
  `create index payment_notification_in_queue on payment_notification (source_id, claim_id)
     where status in ('notified', 'failed')`,
];

const payments = [
  `create table claim_payment (
     source_id int not null references source,
     id uuid not null,
     claim_id uuid not null,
     net_fee numeric not null,
     status text not null default 'settled' check (status in ('settled')),
     created timestamptz not null default now(),
     primary key (source_id, id))`,
  // One effect of each claim, however often it is told of.
  `create unique index claim_payment_of_claim on claim_payment (source_id, claim_id)`,
];

/** Of what a claim came to nothing is ever taken away. */
const grants = [
  `grant select, insert, update on payment_notification to ${APP_ROLE}`,
  `grant select, insert on claim_payment to ${APP_ROLE}`,
];

function wall(table: string): string[] {
  const isInside = `source_id = (select nullif(current_setting('counterpart.source', true), '')::int)`;
  return [
    `alter table ${table} enable row level security`,
    `alter table ${table} force row level security`,
    `create policy ${table}_of_source on ${table} to ${APP_ROLE} using (${isInside}) with check (${isInside})`,
    `create policy ${table}_of_all on ${table} to ${SYSTEM_ROLE} using (true) with check (true)`,
  ];
}
