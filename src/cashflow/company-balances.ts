import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { exact, type Exact, toCents } from '../values/exact-decimal.js';
import { sumsOfLegs, sumsUpTo } from './account-sums.js';
import { AnswerBases, describeBasis } from './answer-basis.js';
import { type BalancesQuery, instantOf, rulesOf } from './cashflow-query.dto.js';
import { type BalancesView, type PeriodBalance } from './cashflow-view.dto.js';
import { endOf, type Interval, type Period, periodsBetween, startOf } from './periods.js';
import { type Rates, ratesFor } from './rates.js';
import { legsOf, monthOf } from './legs.js';
import { countedVerdicts } from './verdicts.js';

/** What moved in a period, exactly, in the currency of the answer; `start` is null for what moved before the first one. */
export interface FlowRow {
  company: string;
  start: string | null;
  credits: string;
  debits: string;
}

/** Answers how a company's balance has moved. */
@Injectable()
export class CompanyBalances {
  constructor(
    private readonly em: EntityManager,
    private readonly bases: AnswerBases,
  ) {}

  async byPeriod(sourceId: number, company: string, query: BalancesQuery): Promise<BalancesView> {
    const basis = await this.bases.of(sourceId);
    const shown = describeBasis(basis, query.currency);
    const range = await this.rangeOf(sourceId, company, query);
    if (range === null) return { items: [], ...shown };
    const periods = periodsBetween(query.interval, new Date(range.from), new Date(range.to));
    const rows = await this.em
      .fork()
      .execute<FlowRow[]>(
        flowStatement('where source_id = ? and company = (select company from asked)', query.interval, range),
        [company, ...flowValues(query, range, basis.rates), sourceId],
      );
    return { items: toPeriods(rows, periods), ...shown };
  }

  /** What was asked for; without bounds from the first transaction of the company to the period of its last one. */
  private async rangeOf(sourceId: number, company: string, query: BalancesQuery): Promise<Range | null> {
    const asked = askedRange(query);
    if (asked.from !== null && asked.to !== null) return { from: asked.from, to: asked.to };
    const [row] = await this.em.fork().execute<{ first: Date | null; last: Date | null }[]>(
      `with account as materialized (select iban from cashflow_account where source_id = ? and company = ?)
       select min(at) as first, max(at) as last from (${legsOf('account')}) leg`,
      [sourceId, company],
    );
    return withBounds(asked, row ?? { first: null, last: null }, query.interval);
  }
}

/** Instants, the first included and the second excluded. */
export interface Range {
  from: string;
  to: string;
}

/** @throws Refusal 400 */
export function askedRange({ from, to }: Pick<BalancesQuery, 'from' | 'to'>): {
  from: string | null;
  to: string | null;
} {
  return {
    from: from === undefined ? null : instantOf('from', from),
    to: to === undefined ? null : instantOf('to', to),
  };
}

/** Bounds that were not asked for reach from the period of the first transaction to the end of that of the last one. */
export function withBounds(
  asked: { from: string | null; to: string | null },
  { first, last }: { first: Date | null; last: Date | null },
  interval: Interval,
): Range | null {
  if (first === null || last === null) return asked.from !== null && asked.to !== null ? (asked as Range) : null;
  const from = asked.from ?? startOf(interval, new Date(first)).toISOString();
  const to = asked.to ?? endOf(interval, new Date(last)).toISOString();
  return from < to ? { from, to } : null;
}

/** The values of a {@link flowStatement} between the company and its condition. */
export function flowValues(query: BalancesQuery, { from, to }: Range, rates: Rates): string[] {
  return [from, to, `{${countedVerdicts(rulesOf(query)).join(',')}}`, JSON.stringify(ratesFor(rates, query.currency))];
}

/**
 * SQL: what moved before a range and in its periods, for the companies that a condition on `cashflow_account` chooses. Amounts are
 * converted here, exactly: to read them by currency took most of the time of an answer. Values: the company (or whatever the
 * condition takes), {@link flowValues}, and those of the condition.
 */
export function flowStatement(where: string, interval: Interval, range: Range): string {
  const flows = isOfMonths(interval, range) ? flowsOfMonths(interval) : flowsOfLegs(interval);
  return `
    with asked as (
      select ?::text as company, ?::timestamptz as first, ?::timestamptz as last, ?::smallint[] as counted, ?::jsonb as rates
    ),
    account as materialized (select iban, company from cashflow_account ${where}),
    flow as (${flows})
    select company, to_char(start, 'YYYY-MM-DD') as start,
           sum(credits * worth)::text as credits, sum(debits * worth)::text as debits
      from (
        select company, start, credits, debits, ((select rates from asked)->>currency)::numeric as worth
          from flow where not internal and verdict = any((select counted from asked)::smallint[])) moved
     where worth is not null group by company, moved.start`;
}

/** Whether periods are made of whole months, so that the sums by month tell them. */
export function isOfMonths(interval: Interval, { from, to }: Range): boolean {
  const beginsMonth = (at: string) => startOf('month', new Date(at)).toISOString() === at;
  return interval !== 'day' && interval !== 'week' && beginsMonth(from) && beginsMonth(to);
}

/** All in one go, as reading the sums of what came before takes as long again. */
function flowsOfMonths(interval: Interval): string {
  const start = interval === 'month' ? 'kept.month' : `date_trunc('${interval}', kept.month)::date`;
  return `
    select case when kept.month >= ${monthOf('(select first from asked)')} then ${start} end as start,
           account.company, currency, verdict, internal, credits, debits
      from account join cashflow_month kept on kept.iban = account.iban
     where kept.month < ${monthOf('(select last from asked)')}`;
}

function flowsOfLegs(interval: Interval): string {
  const inRange = `t."timestamp" >= (select first from asked) and t."timestamp" < (select last from asked)`;
  const start = `date_trunc('${interval}', leg.at at time zone 'UTC')::date`;
  return `
    select null::date as start, company, currency, verdict, internal, credits, debits
      from (${sumsUpTo('account', '(select first from asked)', false)}) before
    union all
    select start, company, currency, verdict, internal, credits, debits
      from (${sumsOfLegs('account', inRange, { name: 'start', expression: start })}) moved`;
}

/** A row for each period, without gaps. Sums are exact; each figure is rounded by itself. @param rows of one company */
export function toPeriods(rows: readonly FlowRow[], periods: readonly Period[]): PeriodBalance[] {
  const flows = new Map<string | null, { credits: Exact; debits: Exact }>(
    rows.map(({ start, credits, debits }) => [start, { credits: exact(credits), debits: exact(debits) }]),
  );
  const before = flows.get(null);
  let balance = before === undefined ? 0n : before.credits - before.debits;
  return periods.map(({ start, name }) => {
    const { credits, debits } = flows.get(start) ?? { credits: 0n, debits: 0n };
    const opening = balance;
    balance += credits - debits;
    return {
      period: name,
      opening: toCents(opening),
      credits: toCents(credits),
      debits: toCents(debits),
      closing: toCents(balance),
    };
  });
}
