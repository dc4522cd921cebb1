import { EntityManager, IsolationLevel } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { AnswerBases } from './answer-basis.js';
import { type BalancesQuery, rulesOf } from './cashflow-query.dto.js';
import { type PeriodBalance } from './cashflow-view.dto.js';
import { askedRange, type FlowRow, flowStatement, type Range, toPeriods, withBounds } from './company-balances.js';
import { COMPANIES, TRANSACTIONS, transactionsView } from './legs.js';
import { type Period, periodsBetween } from './periods.js';
import { countedVerdicts } from './verdicts.js';

/** What moved in a period of one company. */
export interface CompanyPeriod extends PeriodBalance {
  companyId: string;
}

/** Companies that are read at a time: of a day in four years they have some hundred thousand rows at most. */
const COMPANIES_AT_ONCE = 200;

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
      const { rates } = await this.bases.of(sourceId, em);
      const counted = `{${countedVerdicts(rulesOf(query)).join(',')}}`;
      const where = `where source_id = ? and company in (select json_array_elements_text(?::json))`;
      const statement = flowStatement(where, query.interval, range);
      for (let after: string | null = null; ;) {
        // oxlint-disable-next-line no-await-in-loop -- over pages of companies
        const ids = await this.companiesAfter(em, sourceId, after);
        if (ids.length === 0) break;
        // oxlint-disable-next-line no-await-in-loop -- over pages of companies
        const rows = await em.execute<FlowRow[]>(statement, [
          '',
          range.from,
          range.to,
          counted,
          sourceId,
          JSON.stringify(ids),
        ]);
        const byCompany = Map.groupBy(rows, ({ company }) => company);
        yield* ids.flatMap((companyId) =>
          toPeriods(byCompany.get(companyId) ?? [], periods, rates, query.currency).map((period) => ({
            companyId,
            ...period,
          })),
        );
        after = ids.at(-1) ?? null;
      }
    } finally {
      await em.rollback();
    }
  }

  private async companiesAfter(em: EntityManager, sourceId: number, after: string | null): Promise<string[]> {
    const rows = await em.execute<{ external_id: string }[]>(
      `select c.external_id from ${COMPANIES} c
        where c.source_id = ? and c.deleted_at is null and (?::text is null or c.external_id > ?)
        order by c.external_id limit ?`,
      [sourceId, after, after, COMPANIES_AT_ONCE],
    );
    return rows.map(({ external_id }) => external_id);
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
