import { Migration } from '@mikro-orm/migrations';

/** Webhook endpoints, and the outbox of their deliveries. */
export class Migration20261121Webhooks extends Migration {
  override up(): void {
    for (const statement of [...endpoints, ...deliveries]) this.addSql(statement);
  }
}

const endpoints = [
  `create table webhook_endpoint (
     id uuid primary key,
     source_id int not null references source,
     url text not null,
     description text,
     events text[] not null,
     enabled boolean not null,
     disabled_reason text,
     disabled_at timestamptz,
     failing_since timestamptz,
     secret text not null,
     previous_secret text,
     previous_secret_until timestamptz,
     created timestamptz not null,
     updated timestamptz not null)`,
  `create index webhook_endpoint_newest on webhook_endpoint (source_id, id)`,
];

const deliveries = [
  `create table webhook_delivery (
     id uuid primary key,
     source_id int not null references source,
     endpoint_id uuid not null references webhook_endpoint on delete cascade,
     type text not null,
     job_id uuid,
     payload text not null,
     status text not null,
     attempts int not null,
     next_attempt_at timestamptz,
     lease uuid,
     response_status int,
     reason text,
     created timestamptz not null,
     attempted_at timestamptz,
     finished_at timestamptz)`,
  `create index webhook_delivery_newest on webhook_delivery (source_id, endpoint_id, id)`,
  // For the sender, which searches by endpoint each second: a partial index, as small as the work that waits.
  `create index webhook_delivery_due on webhook_delivery (endpoint_id, next_attempt_at) where status = 'pending'`,
  `create index webhook_delivery_under_way on webhook_delivery (endpoint_id) where lease is not null`,
  `create index webhook_delivery_finished on webhook_delivery (finished_at) where finished_at is not null`,
];
