import { legsOf, monthOf } from './legs.js';
import { figures } from './sums.js';

/** What accounts have received and paid, as `figures` are summed up. */
export interface SumRow {
  iban: string;
  currency: string;
  internal: boolean;
  credits: string;
  credit_count: string;
  debits: string;
  debit_count: string;
}

/**
 * SQL: sums of the accounts of companies up to an instant, as rows of `company`, `iban`, `currency`, `verdict`, `internal` and figures.
 * Whole months are read from the sums by month, the rest from the legs.
 * @param accounts the name of a relation with `iban` and `company`
 * @param at the instant, in SQL
 * @param isIncluded whether transactions of that very instant count
 */
export function sumsUpTo(accounts: string, at: string, isIncluded: boolean): string {
  const last = `t."timestamp" >= date_trunc('month', ${at}, 'UTC') and t."timestamp" ${isIncluded ? '<=' : '<'} ${at}`;
  return `
    select account.company, kept.iban, kept.currency, kept.verdict, kept.internal,
           kept.credits, kept.credit_count, kept.debits, kept.debit_count
      from ${accounts} account join cashflow_month kept on kept.iban = account.iban
     where kept.month < ${monthOf(at)}
    union all
    ${sumsOfLegs(accounts, last)}`;
}

/** SQL: the same, of the legs of transactions `t` with a condition. @param extra a column, as `expression as name` */
export function sumsOfLegs(accounts: string, condition: string, extra?: { name: string; expression: string }): string {
  const [column, group] =
    extra === undefined ? ['', ''] : [`${extra.expression} as ${extra.name}, `, `${extra.name}, `];
  return `
    select ${column}account.company, leg.iban, leg.currency, leg.verdict, coalesce(other.company = account.company, false) as internal,
           ${figures()}
      from (${legsOf(accounts, condition)}) leg
      join ${accounts} account on account.iban = leg.iban
      left join cashflow_account other on other.iban = leg.counterparty
     group by ${group}account.company, leg.iban, leg.currency, leg.verdict, internal`;
}
