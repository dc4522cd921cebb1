import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { formatMoney } from '../values/money.js';
import { exact, type Exact, toCents, toDecimal } from '../values/exact-decimal.js';
import { sumsUpTo, type SumRow } from './account-sums.js';
import { AnswerBases, type Basis, describeBasis } from './answer-basis.js';
import type { CashflowQuery } from './cashflow-query.dto.js';
import type { BalanceView } from './cashflow-view.dto.js';
import { rulesOf } from './cashflow-query.dto.js';
import { MoneySum } from './money-sum.js';
import { countedVerdicts } from './verdicts.js';

/** Answers what a company has. */
@Injectable()
export class CompanyBalance {
  constructor(
    private readonly em: EntityManager,
    private readonly bases: AnswerBases,
  ) {}

  /** @param at up to and including this instant */
  async at(sourceId: number, company: string, at: string, query: CashflowQuery): Promise<BalanceView> {
    const basis = await this.bases.of(sourceId);
    const rows = await this.em.fork().execute<SumRow[]>(
      `with asked as (select ?::text as company, ?::timestamptz as at, ?::smallint[] as counted),
       account as materialized (
         select iban, company from cashflow_account where source_id = ? and company = (select company from asked)
       ), sums as (${sumsUpTo('account', '(select at from asked)', true)})
       select account.iban, coalesce(currency, '') as currency, coalesce(internal, false) as internal,
              ${['credits', 'credit_count', 'debits', 'debit_count'].map((figure) => `coalesce(sum(${figure}), 0)::text as ${figure}`).join(', ')}
         from account left join sums on sums.iban = account.iban and sums.verdict = any((select counted from asked)::smallint[])
        group by account.iban, currency, internal order by account.iban, currency, internal`,
      [company, at, `{${countedVerdicts(rulesOf(query)).join(',')}}`, sourceId],
    );
    return toBalance(rows, company, at, query, basis);
  }
}

function toBalance(
  rows: readonly SumRow[],
  company: string,
  at: string,
  query: CashflowQuery,
  basis: Basis,
): BalanceView {
  const sum = new MoneySum(basis.rates, query.currency);
  const accounts = new Map<string, Exact>();
  const currencies = new Map<string, Exact>();
  let [credits, debits, balance] = [0n, 0n, 0n];
  for (const row of rows) {
    const { iban, currency } = row;
    const net = exact(row.credits) - exact(row.debits);
    const worth = sum.worth(currency, net) ?? 0n;
    balance += worth;
    accounts.set(iban, (accounts.get(iban) ?? 0n) + worth);
    const legs = Number(row.credit_count) + Number(row.debit_count);
    // A company without any transaction has an empty row for each account.
    if (legs === 0) continue;
    currencies.set(currency, (currencies.get(currency) ?? 0n) + net);
    // A transfer between its own accounts has two legs.
    sum.noteMissing(currency, row.internal ? legs / 2 : legs, net);
    if (row.internal) continue;
    credits += sum.worthOf(currency, row.credits);
    debits += sum.worthOf(currency, row.debits);
  }
  return {
    at,
    balance: toCents(balance),
    credits: toCents(credits),
    debits: toCents(debits),
    overCommitted: toCents(balance < 0n ? -balance : 0n),
    underCommitted: toCents(balance > 0n ? balance : 0n),
    accounts: [...accounts].map(([iban, worth]) => ({ iban, balance: toCents(worth) })),
    byCurrency: [...currencies]
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([currency, amount]) => {
        const worth = sum.worth(currency, amount);
        return {
          currency,
          amount: formatMoney(toDecimal(amount)),
          converted: worth === null ? null : toCents(worth),
        };
      }),
    missingRates: sum.missingRates.map((missing) => ({ ...missing, amount: formatMoney(toDecimal(missing.amount)) })),
    ...describeBasis(basis, query.currency),
    links: { transactions: transactionsLink(company, at, query) },
  };
}

/** The rows behind a balance: those that count, up to and including the instant. */
function transactionsLink(company: string, at: string, { includeBatch, ibanRule }: CashflowQuery): string {
  const query = new URLSearchParams({ to: justAfter(at), rows: 'counted', includeBatch, ibanRule });
  return `/companies/${encodeURIComponent(company)}/transactions?${query.toString()}`;
}

/** The next instant: a microsecond later. @param at as we write instants */
export function justAfter(at: string): string {
  const [seconds = '', fraction = ''] = at.slice(0, -1).split('.');
  const micros = Number(fraction.padEnd(6, '0')) + 1;
  if (micros < 1_000_000) return `${seconds}.${String(micros).padStart(6, '0')}Z`;
  return new Date(Date.parse(`${seconds}Z`) + 1_000).toISOString();
}
