import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { exact, type Exact, toCents } from '../values/exact-decimal.js';
import { AnswerBases, describeBasis } from './answer-basis.js';
import { type RangeQuery, rulesOf } from './cashflow-query.dto.js';
import { type CountriesView } from './cashflow-view.dto.js';
import { askedRange } from './company-balances.js';
import { legsOf } from './legs.js';
import { MoneySum } from './money-sum.js';
import { figures } from './sums.js';
import { countedVerdicts } from './verdicts.js';

interface CountryRow {
  country: string;
  currency: string;
  credits: string;
  credit_count: string;
  debits: string;
  debit_count: string;
}

interface Moved {
  count: number;
  credits: Exact;
  debits: Exact;
}

/** Answers from which countries money comes to a company, and where it goes. */
@Injectable()
export class CompanyCountries {
  constructor(
    private readonly em: EntityManager,
    private readonly bases: AnswerBases,
  ) {}

  async list(sourceId: number, company: string, query: RangeQuery): Promise<CountriesView> {
    const { from, to } = askedRange(query);
    const basis = await this.bases.of(sourceId);
    const inRange = `
      ((select first from asked) is null or t."timestamp" >= (select first from asked))
      and ((select last from asked) is null or t."timestamp" < (select last from asked))`;
    const rows = await this.em.fork().execute<CountryRow[]>(
      `with asked as (
         select ?::text as company, ?::timestamptz as first, ?::timestamptz as last, ?::smallint[] as counted
       ), account as materialized (
         select iban from cashflow_account where source_id = ? and company = (select company from asked)
       )
       select left(leg.counterparty, 2) as country, leg.currency, ${figures()}
         from (${legsOf('account', inRange)}) leg
        where leg.counterparty not in (select iban from account)
          and leg.verdict = any((select counted from asked)::smallint[])
        group by 1, 2 order by 1, 2`,
      [company, from, to, `{${countedVerdicts(rulesOf(query)).join(',')}}`, sourceId],
    );
    const sum = new MoneySum(basis.rates, query.currency);
    const countries = new Map<string, Moved>();
    for (const row of rows) {
      const moved = countries.get(row.country) ?? { count: 0, credits: 0n, debits: 0n };
      moved.count += Number(row.credit_count) + Number(row.debit_count);
      moved.credits += sum.worth(row.currency, exact(row.credits)) ?? 0n;
      moved.debits += sum.worth(row.currency, exact(row.debits)) ?? 0n;
      countries.set(row.country, moved);
    }
    const items = [...countries].map(([country, { count, credits, debits }]) => ({
      country,
      count,
      credits: toCents(credits),
      debits: toCents(debits),
    }));
    return { items, ...describeBasis(basis, query.currency) };
  }
}
