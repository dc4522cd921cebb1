import { EntityManager, IsolationLevel } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { AnswerBases } from './answer-basis.js';
import type { BalancesQuery } from './cashflow-query.dto.js';
import { type PeriodBalance } from './cashflow-view.dto.js';
import {
  askedRange,
  type FlowRow,
  flowStatement,
  flowValues,
  isOfMonths,
  type Range,
  toPeriods,
  withBounds,
} from './company-balances.js';
import { COMPANIES, TRANSACTIONS, transactionsView } from './legs.js';
import { type Period, periodsBetween } from './periods.js';

/** What moved in a period of one company. */
export interface CompanyPeriod extends PeriodBalance {
  companyId: string;
}

/** For the sums of 48 months of some thousand companies. Beyond that PostgreSQL goes on on disk. */
const WORK_MEMORY = '64MB';

/** Companies that are summed up by one statement: of days each statement reads all of their transactions. */
const COMPANIES_AT_ONCE = { months: 10_000, legs: 200 };

/** Rows that are read at a time: each is what moved in a period of a company. */
const ROWS_AT_ONCE = 5_000;

/** What a whole answer is about, before its first row. */
export interface PreparedBalances {
  rows: () => AsyncGenerator<CompanyPeriod>;
}

/** Answers how the balances of all companies have moved. */
@Injectable()
export class AllBalances {
  constructor(
    private readonly em: EntityManager,
    private readonly bases: AnswerBases,
  ) {}

  /** All refusals come before the first row. @throws Refusal 400 */
  async prepare(sourceId: number, query: BalancesQuery): Promise<PreparedBalances> {
    const range = await this.rangeOf(query);
    if (range === null) return { rows: () => this.none() };
    const periods = periodsBetween(query.interval, new Date(range.from), new Date(range.to));
    return { rows: () => this.rows(sourceId, query, range, periods) };
  }

  private async *none(): AsyncGenerator<CompanyPeriod> {
    // There are no transactions, so there are no periods.
  }

  /** All of one moment: in one transaction, which sees what was there when it began. */
  private async *rows(
    sourceId: number,
    query: BalancesQuery,
    range: Range,
    periods: Period[],
  ): AsyncGenerator<CompanyPeriod> {
    const em = this.em.fork();
    await em.begin({ isolationLevel: IsolationLevel.REPEATABLE_READ, readOnly: true });
    try {
      // All rows are read: a plan that has the first ones soon takes three times as long.
      await em.execute(`set local work_mem = '${WORK_MEMORY}'; set local cursor_tuple_fraction = 1`);
      const { rates } = await this.bases.of(sourceId, em);
      const companies = isOfMonths(query.interval, range) ? COMPANIES_AT_ONCE.months : COMPANIES_AT_ONCE.legs;
      for (let after = ''; ;) {
        // oxlint-disable-next-line no-await-in-loop -- over parts of the companies
        const last = await this.lastOf(em, sourceId, after, companies);
        if (last === null) break;
        const values = ['', ...flowValues(query, range, rates), sourceId, after, last];
        const flows = rowsOf(em, ofCompanies(query, range), [...values, sourceId, after, last]);
        for await (const company of byCompany(flows)) yield* periodsOf(company, periods);
        after = last;
      }
    } finally {
      await em.rollback();
    }
  }

  /** The last of so many companies after one, in the order of their ids; null if there is none. */
  private async lastOf(em: EntityManager, sourceId: number, after: string, count: number): Promise<string | null> {
    const [row] = await em.execute<{ last: string | null }[]>(
      `select max(external_id) as last from (
         select external_id from ${COMPANIES} c
          where c.source_id = ? and c.deleted_at is null and c.external_id > ? order by c.external_id limit ?) part`,
      [sourceId, after, count],
    );
    return row?.last ?? null;
  }

  private async rangeOf(query: BalancesQuery): Promise<Range | null> {
    const ends = TRANSACTIONS.map(
      (kind) =>
        `select min("timestamp") as first, max("timestamp") as last from ${transactionsView(kind)} where deleted_at is null`,
    );
    const [row] = await this.em
      .fork()
      .execute<{ first: Date | null; last: Date | null }[]>(
        `select min(first) as first, max(last) as last from (${ends.join(' union all ')}) each_kind`,
      );
    return withBounds(askedRange(query), row ?? { first: null, last: null }, query.interval);
  }
}

/**
 * SQL: what moved, of each live company in turn, with one row for each that moved nothing. Values: those of a flow statement, the
 * source and the ids between which companies are, twice.
 */
function ofCompanies(query: BalancesQuery, range: Range): string {
  const where = 'where source_id = ? and company > ? and company <= ?';
  return `
    select c.external_id as company, moved.start, coalesce(moved.credits, '0') as credits, coalesce(moved.debits, '0') as debits
      from (${flowStatement(where, query.interval, range)}) moved
     right join ${COMPANIES} c on c.external_id = moved.company
     where c.source_id = ? and c.external_id > ? and c.external_id <= ? and c.deleted_at is null
     order by c.external_id, moved.start nulls first`;
}

/** The rows of a statement, a piece at a time, so that memory does not grow with them. */
async function* rowsOf(em: EntityManager, statement: string, values: unknown[]): AsyncGenerator<FlowRow> {
  await em.execute(`declare flow no scroll cursor for ${statement}`, values);
  for (let isOver = false; !isOver;) {
    // oxlint-disable-next-line no-await-in-loop -- over pieces of the answer
    const rows = await em.execute<FlowRow[]>(`fetch ${ROWS_AT_ONCE} from flow`);
    isOver = rows.length < ROWS_AT_ONCE;
    yield* rows;
  }
  await em.execute('close flow');
}

/** @param rows in the order of their companies @returns those of each company */
async function* byCompany(rows: AsyncGenerator<FlowRow>): AsyncGenerator<FlowRow[]> {
  let company: FlowRow[] = [];
  for await (const row of rows) {
    if (company.length > 0 && company[0]?.company !== row.company) {
      yield company;
      company = [];
    }
    company.push(row);
  }
  if (company.length > 0) yield company;
}

function periodsOf(rows: FlowRow[], periods: readonly Period[]): CompanyPeriod[] {
  const companyId = rows[0]?.company ?? '';
  return toPeriods(rows, periods).map((period) => ({ companyId, ...period }));
}
