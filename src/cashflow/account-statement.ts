import { EntityManager, IsolationLevel } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Refusal } from '../http/refusal.js';
import { formatMoney } from '../values/money.js';
import { exact, toDecimal } from '../values/exact-decimal.js';
import { isStorable } from '../values/text.js';
import { sumsUpTo } from './account-sums.js';
import { type CleaningRules, countedVerdicts } from './verdicts.js';
import { legsOf } from './legs.js';
import { showInstant } from './transaction-rows.js';
import type { Range } from './company-balances.js';

/** One booking, as the account sees it. */
export interface EntryView {
  /** The same in every statement. */
  id: string;
  resource: string;
  transactionId: string;
  timestamp: string;
  /** With its sign: negative for what was paid. */
  amount: string;
  counterparty: string;
  /** After it, in its currency. */
  balance: string;
}

/** The part of a statement in one currency: `opening` plus all entries is `closing`. */
export interface StatementPart {
  currency: string;
  opening: string;
  closing: string;
  entries: AsyncIterable<EntryView>;
}

interface EntryRow {
  resource: string;
  leg_id: string;
  transaction_id: string;
  counterparty: string;
  at: string;
  amount: string;
}

/** Entries that are read at a time. */
const READ_AT_ONCE = 1_000;

const ASKED = `
  with asked as (select ?::text as iban, ?::timestamptz as first, ?::timestamptz as last, ?::smallint[] as counted),
  account as (select iban, ''::text as company from asked)`;

/** Tells what was booked on an account. Amounts of different currencies are never added. */
@Injectable()
export class AccountStatement {
  constructor(private readonly em: EntityManager) {}

  /** @throws Refusal 404 if the company does not own the account */
  async requireAccount(sourceId: number, company: string, iban: string): Promise<void> {
    const rows = isStorable(iban)
      ? await this.em
          .fork()
          .execute('select from cashflow_account where source_id = ? and iban = ? and company = ?', [
            sourceId,
            iban,
            company,
          ])
      : [];
    if (rows.length === 0) throw Refusal.notFound('account');
  }

  /**
   * All parts, as of one moment; each must be read to its end before the next. An account on which nothing was ever booked has one
   * part, in euros.
   */
  async *parts(iban: string, range: Range, rules: CleaningRules): AsyncGenerator<StatementPart> {
    const em = this.em.fork();
    await em.begin({ isolationLevel: IsolationLevel.REPEATABLE_READ, readOnly: true });
    try {
      const values = [iban, range.from, range.to, `{${countedVerdicts(rules).join(',')}}`];
      const balances = await em.execute<{ currency: string; opening: string; closing: string }[]>(
        `${ASKED}
         select currency, trim_scale(sum(opening))::text as opening, trim_scale(sum(closing))::text as closing
           from (select currency, verdict, credits - debits as opening, 0 as closing
                   from (${sumsUpTo('account', '(select first from asked)', false)}) until_first
                 union all
                 select currency, verdict, 0, credits - debits
                   from (${sumsUpTo('account', '(select last from asked)', false)}) until_last) both_ends
          where verdict = any((select counted from asked)::smallint[])
          group by currency order by currency`,
        values,
      );
      if (balances.length === 0) balances.push({ currency: 'EUR', opening: '0', closing: '0' });
      for (const { currency, opening, closing } of balances) {
        const [from, to] = [formatMoney(opening), formatMoney(closing)];
        yield { currency, opening: from, closing: to, entries: this.entries(em, values, currency, opening, closing) };
      }
    } finally {
      await em.rollback();
    }
  }

  /** @throws if the entries do not lead from one balance to the other */
  private async *entries(
    em: EntityManager,
    values: unknown[],
    currency: string,
    opening: string,
    closing: string,
  ): AsyncGenerator<EntryView> {
    let balance = exact(opening);
    let last: EntryRow | undefined;
    do {
      const end = last === undefined ? [null, null, null] : [last.at, last.resource, last.leg_id];
      // oxlint-disable-next-line no-await-in-loop -- over pages
      const rows = await em.execute<EntryRow[]>(ENTRIES, [...values, currency, ...end, READ_AT_ONCE]);
      for (const row of rows) {
        balance += exact(row.amount);
        yield toEntry(row, formatMoney(toDecimal(balance)));
      }
      last = rows.at(-1);
    } while (last !== undefined);
    if (toDecimal(balance) !== toDecimal(exact(closing))) throw new Error('a statement does not close');
  }
}

/** A transfer from the account to itself is two entries, of which one takes what the other brings. */
const ENTRIES = `${ASKED}, page as (
    select ?::text as currency, ?::timestamptz as end_at, ?::text as end_resource, ?::bigint as end_id
  ), entry as (
    select leg.*, 2 * leg.row_id + leg.is_credit::int as leg_id
      from (${legsOf('account', `t."timestamp" >= (select first from asked) and t."timestamp" < (select last from asked)`)}) leg
  )
  select resource, leg_id, transaction_id, counterparty, to_jsonb(at)#>>'{}' as at,
         (case when is_credit then amount else -amount end)::text as amount
    from entry cross join page
   where entry.currency = page.currency and verdict = any((select counted from asked)::smallint[])
     and (end_at is null or (at, resource, leg_id) > (end_at, end_resource, end_id))
   order by at, resource, leg_id limit ?`;

function toEntry(row: EntryRow, balance: string): EntryView {
  return {
    id: `${row.resource}-${row.leg_id}`,
    resource: row.resource,
    transactionId: row.transaction_id,
    timestamp: showInstant(row.at),
    amount: formatMoney(row.amount),
    counterparty: row.counterparty,
    balance,
  };
}
