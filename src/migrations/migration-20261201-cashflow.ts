import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../database/source-isolation.js';
import { isolateSource } from './isolate-source.js';

/**
 * What is derived from bank transactions, in the transactions that change them: which company owns an IBAN, and, for accounts that
 * have an owner, sums by month and of all time. Rows of different kinds (`resource`) are apart, so that jobs of both do not wait for
 * each other. `internal`: the other account belongs to the same company. `verdict` is as `cashflow/verdicts.ts` has it.
 */
export class Migration20261201Cashflow extends Migration {
  override up(): void {
    for (const statement of [...accounts, ...sums]) this.addSql(statement);
  }
}

const accounts = [
  `create table cashflow_account (
     source_id int not null,
     iban text collate "C" not null,
     company text collate "C" not null,
     primary key (source_id, iban))`,
  `create index cashflow_account_of_company on cashflow_account (source_id, company)`,
  ...isolateSource('cashflow_account'),
  `grant select, insert, update, delete on cashflow_account to ${APP_ROLE}`,
];

const figures = `
     currency text collate "C" not null,
     verdict smallint not null,
     internal boolean not null,
     credits numeric not null,
     credit_count bigint not null,
     debits numeric not null,
     debit_count bigint not null`;

const sums = [
  ['cashflow_month', 'month date not null,', 'month, '],
  ['cashflow_total', '', ''],
].flatMap(([table = '', column, key]) => [
  `create table ${table} (
     source_id int not null,
     iban text collate "C" not null,
     ${column}
     resource text collate "C" not null,${figures},
     primary key (source_id, iban, ${key}resource, currency, verdict, internal)) with (fillfactor = 80)`,
  // Few rows at any time: they are deleted by the transaction that empties them.
  `create index ${table}_empty on ${table} (source_id) where credit_count = 0 and debit_count = 0`,
  ...isolateSource(table),
  `grant select, insert, update, delete on ${table} to ${APP_ROLE}`,
]);
