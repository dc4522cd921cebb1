import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../database/source-isolation.js';
import { isolateSource } from './isolate-source.js';

/** The outbox of notifications about claims for the payments service, and the payments that it made of them. */
export class Migration20261121ClaimPayments extends Migration {
  override up(): void {
    const policies = ['payment_notification', 'claim_payment'].flatMap((table) => isolateSource(table));
    for (const statement of [...notifications, ...payments, ...policies, ...grants]) this.addSql(statement);
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
  // For the relay and the rescuer, which search all the time: partial indexes, as small as the work that waits.
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
  // One payment for each claim, however often its message is delivered.
  `create unique index claim_payment_of_claim on claim_payment (source_id, claim_id)`,
];

/** Without `delete`: payments and their notifications are never removed. */
const grants = [
  `grant select, insert, update on payment_notification to ${APP_ROLE}`,
  `grant select, insert on claim_payment to ${APP_ROLE}`,
];
