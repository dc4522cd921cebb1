import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { exact, type Exact, toCents } from '../values/exact-decimal.js';
import { sumsOfLegs, sumsUpTo } from './account-sums.js';
import { AnswerBases, describeBasis } from './answer-basis.js';
import { type BalancesQuery, instantOf, rulesOf } from './cashflow-query.dto.js';
import { type BalancesView, type PeriodBalance } from './cashflow-view.dto.js';
import { MoneySum } from './money-sum.js';
import { endOf, type Interval, type Period, periodsBetween, startOf } from './periods.js';
import type { Rates, Target } from './rates.js';
import { legsOf, monthOf } from './legs.js';
import { countedVerdicts } from './verdicts.js';

/** What moved in a period in one currency; `start` is null for what moved before the first one. */
export interface FlowRow {
  company: string;
  start: string | null;
  currency: string;
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
        [company, range.from, range.to, `{${countedVerdicts(rulesOf(query)).join(',')}}`, sourceId],
      );
    return { items: toPeriods(rows, periods, basis.rates, query.currency), ...shown };
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

/**
 * SQL: what moved before a range and in its periods, for the companies that a condition on `cashflow_account` chooses. Values: the
 * company (or whatever the condition takes), from, to, the verdicts that count, and those of the condition.
 */
export function flowStatement(where: string, interval: Interval, { from, to }: Range): string {
  const flows = isOfMonths(interval, from, to) ? flowsOfMonths(interval) : flowsOfLegs(interval);
  return `
    with asked as (select ?::text as company, ?::timestamptz as first, ?::timestamptz as last, ?::smallint[] as counted),
    account as materialized (select iban, company from cashflow_account ${where}),
    flow as (
      select null::text as start, company, currency, verdict, internal, credits, debits
        from (${sumsUpTo('account', '(select first from asked)', false)}) before
      union all
      ${flows}
    )
    select company, start, currency, sum(credits)::text as credits, sum(debits)::text as debits
      from flow where not internal and verdict = any((select counted from asked)::smallint[])
     group by company, start, currency order by company, start nulls first, currency`;
}

/** Whether periods are made of whole months, so that the sums by month tell them. */
function isOfMonths(interval: Interval, from: string, to: string): boolean {
  const beginsMonth = (at: string) => startOf('month', new Date(at)).toISOString() === at;
  return interval !== 'day' && interval !== 'week' && beginsMonth(from) && beginsMonth(to);
}

function flowsOfMonths(interval: Interval): string {
  return `
    select to_char(date_trunc('${interval}', kept.month), 'YYYY-MM-DD'), account.company, currency, verdict, internal, credits, debits
      from account join cashflow_month kept on kept.iban = account.iban
     where kept.month >= ${monthOf('(select first from asked)')} and kept.month < ${monthOf('(select last from asked)')}`;
}

function flowsOfLegs(interval: Interval): string {
  const inRange = `t."timestamp" >= (select first from asked) and t."timestamp" < (select last from asked)`;
  const start = `to_char(date_trunc('${interval}', leg.at at time zone 'UTC'), 'YYYY-MM-DD')`;
  return `
    select start, company, currency, verdict, internal, credits, debits
      from (${sumsOfLegs('account', inRange, { name: 'start', expression: start })}) moved`;
}

/** A row for each period, without gaps. Sums are exact; each figure is rounded by itself. @param rows of one company */
export function toPeriods(
  rows: readonly FlowRow[],
  periods: readonly Period[],
  rates: Rates,
  target: Target,
): PeriodBalance[] {
  const sum = new MoneySum(rates, target);
  const flows = new Map<string | null, { credits: Exact; debits: Exact }>();
  for (const { start, currency, credits, debits } of rows) {
    const flow = flows.get(start) ?? { credits: 0n, debits: 0n };
    flow.credits += sum.worth(currency, exact(credits)) ?? 0n;
    flow.debits += sum.worth(currency, exact(debits)) ?? 0n;
    flows.set(start, flow);
  }
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
