import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../database/source-isolation.js';
import { isolateSource } from './isolate-source.js';

/** Lines that balances of companies should not fall below. Companies are named by their ids: a rule outlives its company. */
export class Migration20261201Liquidity extends Migration {
  override up(): void {
    for (const statement of rules) this.addSql(statement);
  }
}

const rules = [
  `create table liquidity_rule (
     id uuid primary key,
     source_id int not null,
     company text collate "C" not null,
     kind text not null check (kind in ('balance_below', 'forecast_below')),
     threshold numeric not null,
     currency text not null check (currency in ('EUR', 'USD')),
     iban text collate "C",
     days int check ((days is not null) = (kind = 'forecast_below')),
     is_breached boolean,
     since timestamptz,
     balance numeric,
     due_at timestamptz,
     next_at timestamptz,
     created timestamptz not null)`,
  `create index liquidity_rule_of_company on liquidity_rule (source_id, company, id)`,
  `create index liquidity_rule_due on liquidity_rule (due_at) where due_at is not null`,
  // For what is booked ahead: when the next of these transactions begins to count.
  `create index liquidity_rule_later on liquidity_rule (next_at) where next_at is not null`,
  ...isolateSource('liquidity_rule'),
  `grant select, insert, update, delete on liquidity_rule to ${APP_ROLE}`,
];
