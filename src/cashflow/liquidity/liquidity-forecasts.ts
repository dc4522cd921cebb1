import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, Logger } from '@nestjs/common';
import { acrossSources, withinSource } from '../../database/source-isolation.js';
import { safeError } from '../../logging/safe-error.js';
import { addToOutbox } from '../../outbox/outbox.js';
import { PeriodicTask } from '../../runtime/periodic-task.js';
import { compareDecimals } from '../../values/money.js';
import { ForecastQuery } from '../cashflow-query.dto.js';
import { CompanyForecast } from '../forecast/company-forecast.js';
import type { ForecastDayView } from '../forecast/forecast.dto.js';
import { COMPANIES, legsOf } from '../legs.js';
import { showInstant } from '../transaction-rows.js';
import { liquidityEvent } from './liquidity-event.js';
import { RULE_COLUMNS, type RuleRow } from './rule-row.js';

const PAUSE_MS = 1_000;

/** Rules that are looked for at a time. */
const MAX_RULES = 100;

/** What a forecast is made from. */
interface Reach {
  /** The instant of the last transaction; null without any. */
  last: string | null;
  /** Whether the company, and the account that the rule names, are there. */
  exists: boolean;
}

/**
 * Forecasts for the rules whose companies have new transactions, and puts what has crossed its line into the outbox. Not in the
 * transactions that move balances: a forecast takes as long as some of them.
 */
@Injectable()
export class LiquidityForecasts {
  readonly task = new PeriodicTask({
    name: 'forecasting for liquidity rules',
    pauseMs: PAUSE_MS,
    run: (stopping) => this.judgeDue(stopping),
  });
  private readonly logger = new Logger(LiquidityForecasts.name);

  constructor(
    private readonly em: EntityManager,
    private readonly forecastOf: CompanyForecast,
  ) {}

  private async judgeDue(stopping: AbortSignal): Promise<void> {
    const due = await acrossSources(() =>
      this.em
        .fork()
        .execute<{ id: string; source_id: number }[]>(
          'select id, source_id from liquidity_rule where is_due order by id limit ?',
          [MAX_RULES],
        ),
    );
    for (const { id, source_id: sourceId } of due) {
      if (stopping.aborted) return;
      // oxlint-disable-next-line no-await-in-loop -- one at a time: a forecast keeps the processor busy
      await withinSource(sourceId, () => this.judge(sourceId, id)).catch((error: unknown) =>
        this.logger.warn({ rule: id, err: safeError(error) }, 'a forecast for a liquidity rule failed'),
      );
    }
  }

  /**
   * The rule is locked meanwhile: what marks it as due waits, and is not forgotten. Any number of processes may do this at once.
   */
  private async judge(sourceId: number, id: string): Promise<void> {
    await this.em.fork().transactional(async (em) => {
      const [rule] = await em.execute<RuleRow[]>(
        `select ${RULE_COLUMNS} from liquidity_rule where id = ? and is_due for update skip locked`,
        [id],
      );
      if (!rule) return;
      const reach = await this.reachOf(em, sourceId, rule);
      if (!reach.exists) {
        await em.execute('update liquidity_rule set is_due = false where id = ?', [id]);
        return;
      }
      const now = new Date();
      const asOf = reach.last === null ? now.toISOString() : showInstant(reach.last);
      const query = Object.assign(new ForecastQuery(), { days: rule.days, currency: rule.currency });
      const { items } = await this.forecastOf.of(sourceId, rule.company, asOf, query, rule.iban);
      await this.conclude(em, sourceId, rule, { asOf, lowest: lowestOf(items), now });
    });
  }

  private async reachOf(em: EntityManager, sourceId: number, { company, iban }: RuleRow): Promise<Reach> {
    const [row] = await em.execute<Reach[]>(
      `with asked as (select ?::text as company, ?::text as iban),
       account as materialized (
         select owned.iban from cashflow_account owned join asked on owned.company = asked.company
          where owned.source_id = ${sourceId} and (asked.iban is null or owned.iban = asked.iban)
       )
       select (select to_jsonb(max(leg.at))#>>'{}' from (${legsOf('account')}) leg) as last,
              exists (select from ${COMPANIES} c join asked on c.external_id = asked.company
                       where c.source_id = ${sourceId} and c.deleted_at is null)
              and (asked.iban is null or exists (select from account)) as "exists"
         from asked`,
      [company, iban],
    );
    if (!row) throw new Error('a statement without conditions has a row');
    return row;
  }

  private async conclude(
    em: EntityManager,
    sourceId: number,
    rule: RuleRow,
    { asOf, lowest, now }: { asOf: string; lowest: ForecastDayView; now: Date },
  ): Promise<void> {
    const isBreached = compareDecimals(lowest.expected, rule.threshold) < 0;
    const hasTurned = isBreached !== rule.is_breached;
    await em.execute(
      `update liquidity_rule
          set is_due = false, is_breached = ?, since = case when ? then ?::timestamptz else since end, balance = ? where id = ?`,
      [isBreached, hasTurned, asOf, lowest.expected, rule.id],
    );
    if (!hasTurned || (!isBreached && rule.is_breached === null)) return;
    const told = { ruleId: rule.id, companyId: rule.company, at: asOf, threshold: rule.threshold };
    const event = liquidityEvent(isBreached, { ...told, balance: lowest.expected, date: lowest.date });
    await addToOutbox(em, sourceId, () => Promise.resolve(now), [event]);
  }
}

/** @param items of at least one day */
function lowestOf(items: readonly ForecastDayView[]): ForecastDayView {
  return items.reduce((lowest, day) => (compareDecimals(day.expected, lowest.expected) < 0 ? day : lowest));
}
