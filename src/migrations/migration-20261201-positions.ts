import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE, SYSTEM_ROLE } from '../database/source-isolation.js';
import { isolateSource } from './isolate-source.js';

/**
 * Replaces the sums of accounts of all time by those of companies, which are a third as many rows to read for a list by balance and to
 * write for each month. Legs of transfers between accounts of one company cancel out. Jobs on bank transactions of the version before
 * fail without a trace from here on, and are done again by this one.
 */
export class Migration20261201Positions extends Migration {
  override up(): void {
    for (const statement of positions) this.addSql(statement);
  }
}

const positions = [
  // In the order in which others take them.
  `lock table cashflow_account, cashflow_month, cashflow_total in access exclusive mode`,
  `drop table cashflow_total`,
  `create table cashflow_position (
     source_id int not null,
     company text collate "C" not null,
     resource text collate "C" not null,
     currency text collate "C" not null,
     verdict smallint not null,
     net numeric not null,
     legs bigint not null,
     primary key (source_id, company, resource, currency, verdict)) with (fillfactor = 80)`,
  // Few rows at any time: they are deleted by the transaction that empties them.
  `create index cashflow_position_empty on cashflow_position (source_id) where legs = 0`,
  ...isolateSource('cashflow_position'),
  `grant select, insert, update, delete on cashflow_position to ${APP_ROLE}`,
  // Owners are bound by row-level security too.
  `set local role ${SYSTEM_ROLE}`,
  `insert into cashflow_position (source_id, company, resource, currency, verdict, net, legs)
   select source_id, account.company, kept.resource, kept.currency, kept.verdict,
          sum(kept.credits - kept.debits), sum(kept.credit_count + kept.debit_count)
     from cashflow_month kept join cashflow_account account using (source_id, iban)
    group by 1, 2, 3, 4, 5`,
  `set local role none`,
  `analyze cashflow_position`,
  // For lists of the version before, which read it. What it writes there fails.
  `create view cashflow_total with (security_invoker = true) as
     select source_id, iban, resource, currency, verdict, internal, sum(credits) as credits, sum(credit_count)::bigint as credit_count,
            sum(debits) as debits, sum(debit_count)::bigint as debit_count
       from cashflow_month group by 1, 2, 3, 4, 5, 6`,
  `grant select on cashflow_total to ${APP_ROLE}`,
];
