import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { sqlState } from '../database/outage.js';
import { Cursors, listScope } from '../http/cursors.js';
import type { Page, PageQuery } from '../http/paging.js';
import { isAccountNumber, newAccountNumber } from './account-number.js';
import { idempotencyKeyReused, unknownAccount } from './account-refusal.js';
import type { StatementEntry } from './account-view.js';
import type { TransferKind } from './posting.js';

/** A new number is taken once in a trillion; a key is in use if a caller sends it twice at the same moment. */
const MAX_ATTEMPTS = 5;

const UNIQUE_VIOLATION = '23505';

/** What a new account is to be. */
export interface NewAccount {
  sourceId: number;
  overdraftLimitCents: number;
  idempotencyKey: string | null;
  /** The name of the key of the request. */
  by: string;
}

interface EntryRow {
  id: string;
  at: string;
  seq: string;
  kind: TransferKind;
  amount: string;
  balance: string;
}

/** Opens accounts and reads their balances and entries. Accounts of other sources do not exist for a caller. */
@Injectable()
export class Accounts {
  constructor(
    private readonly em: EntityManager,
    private readonly cursors: Cursors,
  ) {}

  /** @returns the number of the new account; for a known key that of the first one @throws Refusal 422 */
  async open(account: NewAccount): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.tryToOpen(account);
      } catch (error) {
        // The number is taken, or a concurrent request with the same key was first.
        if (sqlState(error) !== UNIQUE_VIOLATION || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  /**
   * The balance in cents, or what it was at an instant: 0 before the first entry, also before the account was opened.
   * @throws Refusal 404
   */
  async balance(sourceId: number, number: string, asOf: string | undefined): Promise<number> {
    if (!isAccountNumber(number)) throw unknownAccount();
    const [row] = await this.em.fork().execute<{ balance: string; at_instant: string | null }[]>(
      `select a.balance,
              (select e.balance from ledger_entry e
                where e.source_id = a.source_id and e.account = a.number and e.at <= ?::timestamptz
                order by e.at desc, e.seq desc limit 1) as at_instant
         from ledger_account a where a.source_id = ? and a.number = ?::bigint`,
      [asOf ?? null, sourceId, number],
    );
    if (!row) throw unknownAccount();
    return Number(asOf === undefined ? row.balance : (row.at_instant ?? 0));
  }

  /** Newest first. @throws Refusal 400, 404 */
  async statement(sourceId: number, number: string, { limit, cursor }: PageQuery): Promise<Page<StatementEntry>> {
    if (!isAccountNumber(number)) throw unknownAccount();
    const scope = listScope('entries', sourceId, { number });
    // Without a cursor, a position newer than all entries.
    const [at, seq] = this.cursors.read(cursor, scope, 2) ?? ['infinity', '0'];
    const em = this.em.fork();
    const rows = await em.execute<EntryRow[]>(
      `select t.id, to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, e.seq, t.kind, e.amount, e.balance
         from ledger_entry e join ledger_transfer t on t.source_id = e.source_id and t.id = e.transfer_id
        where e.source_id = ? and e.account = ?::bigint and (e.at, e.seq) < (?::timestamptz, ?::bigint)
        order by e.at desc, e.seq desc limit ?`,
      [sourceId, number, at, seq, limit + 1],
    );
    if (rows.length === 0) await this.balance(sourceId, number, undefined);
    const page = this.cursors.toPage(rows, limit, scope, (row) => [row.at, row.seq]);
    return { ...page, items: page.items.map(toEntry) };
  }

  /** One statement: the account and the stored request both exist afterwards, or neither does. */
  private async tryToOpen({ sourceId, overdraftLimitCents, idempotencyKey, by }: NewAccount): Promise<string> {
    const request = `create ${overdraftLimitCents}`;
    const [row] = await this.em.fork().execute<{ request: string; account: string }[]>(
      `with given (source_id, key, request, number, overdraft_limit, created_by) as (
         values (?::int, ?::text collate "C", ?::text, ?::bigint, ?::bigint, ?::text)),
       known as (
         select r.request, r.account from ledger_request r join given using (source_id, key)),
       opened as (
         insert into ledger_account (source_id, number, overdraft_limit, posted_at, created, created_by)
         select source_id, number, overdraft_limit, date_trunc('milliseconds', now()), now(), created_by
           from given where not exists (select from known)
         returning number),
       kept as (
         insert into ledger_request (source_id, key, request, outcome, account, created)
         select given.source_id, given.key, given.request, 'posted', given.number, now()
           from given join opened using (number) where given.key is not null)
       select request, account from known union all select given.request, number from given join opened using (number)`,
      [sourceId, idempotencyKey, request, newAccountNumber(), overdraftLimitCents, by],
    );
    if (!row) throw new Error('an account was neither opened nor known');
    if (row.request !== request) throw idempotencyKeyReused();
    return row.account;
  }
}

function toEntry({ id, at, kind, amount, balance }: EntryRow): StatementEntry {
  return { id, at, kind, amount: Number(amount), balance: Number(balance) };
}
