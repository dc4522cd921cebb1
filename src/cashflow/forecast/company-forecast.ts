import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { formatMoney } from '../../values/money.js';
import { AnswerBases, describeBasis } from '../answer-basis.js';
import { type ForecastQuery, rulesOf } from '../cashflow-query.dto.js';
import { CompanyBalance } from '../company-balance.js';
import { legsOf } from '../legs.js';
import { ratesFor } from '../rates.js';
import { countedVerdicts } from '../verdicts.js';
import { type Forecast, forecast, type ForecastDay } from './forecast.js';
import type { ForecastView, RecurringView } from './forecast.dto.js';
import type { Recurring, Series } from './recurring.js';

/** The latest movements of a company that are looked at: more would be in memory at once. */
const MAX_MOVEMENTS = 100_000;

const DAY_S = 86_400;

/** Movements of one series, by time. */
interface SeriesRow {
  counterparty: string;
  is_credit: boolean;
  currency: string;
  /** Seconds since 1970, and amounts in the currency of the answer. */
  times: number[];
  amounts: number[];
  /** The usual amount in the series' own currency belongs to one in that of the answer by this. */
  worth: number;
}

/** Answers what a company will probably have. */
@Injectable()
export class CompanyForecast {
  constructor(
    private readonly em: EntityManager,
    private readonly bases: AnswerBases,
    private readonly balanceOf: CompanyBalance,
  ) {}

  /** @param iban one account of the company alone */
  async of(
    sourceId: number,
    company: string,
    asOf: string,
    query: ForecastQuery,
    iban: string | null = null,
  ): Promise<ForecastView> {
    const basis = await this.bases.of(sourceId);
    const opening = await this.openingOf(sourceId, company, asOf, query, iban);
    const rows = await this.em
      .fork()
      .execute<SeriesRow[]>(MOVEMENTS, [
        company,
        iban,
        asOf,
        `{${countedVerdicts(rulesOf(query)).join(',')}}`,
        JSON.stringify(ratesFor(basis.rates, query.currency)),
        sourceId,
      ]);
    const worth = new Map(rows.map(({ currency, worth: rate }) => [currency, rate]));
    const start = Date.parse(asOf) / 1_000 / DAY_S;
    const result = forecast(rows.map(toSeries), start, query.days, query.level / 100);
    const firstDay = Math.floor(start) + 1;
    return {
      asOf,
      ...describeBasis(basis, query.currency),
      level: query.level,
      opening,
      ...shown(result, opening, firstDay, worth),
    };
  }

  private async openingOf(
    sourceId: number,
    company: string,
    asOf: string,
    query: ForecastQuery,
    iban: string | null,
  ): Promise<string> {
    const { balance, accounts } = await this.balanceOf.at(sourceId, company, asOf, query);
    return iban === null ? balance : (accounts.find((account) => account.iban === iban)?.balance ?? '0.00');
  }
}

/** Transfers between accounts of the company move nothing. Of a company with very many movements the oldest are left out. */
const MOVEMENTS = `
  with asked as (select ?::text as company, ?::text as account, ?::timestamptz as last, ?::smallint[] as counted),
  rate as (select key as currency, value::numeric as worth from json_each_text(?::json)),
  account as materialized (
    select iban from cashflow_account
     where source_id = ? and company = (select company from asked)
       and ((select account from asked) is null or iban = (select account from asked))
  ), movement as (
    select leg.counterparty, leg.is_credit, leg.currency, leg.at, leg.amount * rate.worth as amount, rate.worth
      from (${legsOf('account', 't."timestamp" <= (select last from asked)')}) leg
      join rate on rate.currency = leg.currency
     where leg.counterparty not in (select iban from account)
       and leg.verdict = any((select counted from asked)::smallint[])
     order by leg.at desc, leg.resource, leg.row_id limit ${MAX_MOVEMENTS}
  )
  select counterparty, is_credit, currency, min(worth)::float8 as worth,
         json_agg(extract(epoch from at)::float8 order by at, amount) as times,
         json_agg(amount::float8 order by at, amount) as amounts
    from movement group by counterparty, is_credit, currency order by counterparty, is_credit, currency`;

function toSeries({ counterparty, is_credit: isCredit, currency, times, amounts }: SeriesRow): Series {
  return {
    counterparty,
    currency,
    direction: isCredit ? 'in' : 'out',
    movements: times.map((time, place) => ({ at: time / DAY_S, amount: amounts[place] as number })),
  };
}

/** Figures of a forecast are estimates: they are computed as floating point numbers, and added to the exact balance in cents. */
function shown(
  { days, recurring, backtest }: Forecast,
  opening: string,
  firstDay: number,
  worth: ReadonlyMap<string, number>,
): Pick<ForecastView, 'items' | 'recurring' | 'firstBelowZero' | 'backtest'> {
  const cents = BigInt(opening.replace('.', ''));
  const balance = (moved: number) => money(cents + BigInt(Math.round(moved * 100)));
  const below = days.findIndex(({ low }) => cents + BigInt(Math.round(low * 100)) < 0n);
  const { origins, coverage, mae, naiveMae } = backtest;
  return {
    items: days.map((day, place) => ({
      date: dateOf(firstDay + place),
      expected: balance(day.expected),
      low: balance(day.low),
      high: balance(day.high),
      recurringIn: amountOf(day.recurringIn),
      recurringOut: amountOf(day.recurringOut),
    })),
    recurring: recurring.map((found) => toRecurring(found, worth.get(found.series.currency) ?? 1)),
    firstBelowZero:
      below === -1
        ? null
        : { date: dateOf(firstDay + below), probability: shareBelow(days[below] as ForecastDay, Number(cents) / 100) },
    backtest: {
      origins,
      coverage: coverage === null ? null : Math.round(coverage * 1_000) / 1_000,
      mae: mae === null ? null : amountOf(mae),
      naiveMae: naiveMae === null ? null : amountOf(naiveMae),
    },
  };
}

function shareBelow({ expected, errors }: ForecastDay, opening: number): number {
  if (errors.length === 0) return 1;
  const below = errors.filter((error) => opening + expected + error < 0).length;
  return Math.round((below / errors.length) * 1_000) / 1_000;
}

function toRecurring({ series, period, amount, next, seen, missed }: Recurring, worth: number): RecurringView {
  const { counterparty, direction, currency } = series;
  return {
    counterparty,
    direction,
    period,
    amount: amountOf(amount / worth),
    currency,
    next: dateOf(Math.floor(next)),
    seen,
    missed,
  };
}

function amountOf(value: number): string {
  return money(BigInt(Math.round(value * 100)));
}

function money(cents: bigint): string {
  const digits = String(cents < 0n ? -cents : cents).padStart(3, '0');
  return formatMoney(`${cents < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`);
}

function dateOf(day: number): string {
  return new Date(day * DAY_S * 1_000).toISOString().slice(0, 10);
}
