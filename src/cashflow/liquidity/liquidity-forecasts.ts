import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, Logger } from '@nestjs/common';
import { acrossSources, withinSource } from '../../database/source-isolation.js';
import { safeError } from '../../logging/safe-error.js';
import { addToOutbox } from '../../outbox/outbox.js';
import { PeriodicTask } from '../../runtime/periodic-task.js';
import { databaseNow } from '../../sync/leases/job-leases.js';
import { compareDecimals } from '../../values/money.js';
import { ForecastQuery } from '../cashflow-query.dto.js';
import { CompanyForecast } from '../forecast/company-forecast.js';
import type { ForecastDayView } from '../forecast/forecast.dto.js';
import { COMPANIES, legsOf } from '../legs.js';
import { showInstant } from '../transaction-rows.js';
import { judgeBalances, movementOf } from './judge-balances.js';
import { liquidityEvent } from './liquidity-event.js';
import { RULE_COLUMNS, type RuleRow } from './rule-row.js';

const PAUSE_MS = 1_000;

/** Rules that are looked for at a time. */
const MAX_RULES = 100;

/** Longer than any forecast takes. */
const LEASE_SECONDS = 60;

/** What a forecast is made from. */
interface Reach {
  /** The instant of the last transaction; null without any. */
  last: string | null;
  /** Whether the company, and the account that the rule names, are there. */
  exists: boolean;
}

/**
 * Forecasts for the rules whose companies have new transactions, judges balances once what was booked ahead counts, and puts what
 * has crossed its line into the outbox. Not in the
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
    await this.judgeLater(stopping);
    // Those first that have waited longest, whoever's they are.
    const due = await acrossSources(() =>
      this.em
        .fork()
        .execute<{ id: string; source_id: number }[]>(
          'select id, source_id from liquidity_rule where due_at <= clock_timestamp() order by due_at limit ?',
          [MAX_RULES],
        ),
    );
    for (const { id, source_id: sourceId } of due) {
      if (stopping.aborted) return;
      // oxlint-disable-next-line no-await-in-loop -- one at a time: a forecast keeps the processor busy
      await withinSource(sourceId, () => this.judge(sourceId, id)).catch((error: unknown) =>
        this.noteFailure(id, error),
      );
    }
  }

  private noteFailure(rule: string, error: unknown): void {
    this.logger.warn({ rule, err: safeError(error) }, 'judging a liquidity rule failed');
  }

  /** Balances that something booked ahead has moved, as its time has come. */
  private async judgeLater(stopping: AbortSignal): Promise<void> {
    const moved = await acrossSources(() =>
      this.em
        .fork()
        .execute<{ source_id: number; company: string }[]>(
          'select distinct source_id, company from liquidity_rule where next_at <= now() limit ?',
          [MAX_RULES],
        ),
    );
    for (const { source_id: sourceId, company } of moved) {
      if (stopping.aborted) return;
      // oxlint-disable-next-line no-await-in-loop -- over the few companies with something booked ahead
      await withinSource(sourceId, () => this.judgeCompany(sourceId, company)).catch((error: unknown) =>
        this.noteFailure(`of source ${sourceId}`, error),
      );
    }
  }

  private async judgeCompany(sourceId: number, company: string): Promise<void> {
    await this.em.fork().transactional(async (em) => {
      await judgeBalances(em, sourceId, movementOf(company));
      // Of rules that are not judged, as their company is gone.
      await em.execute(
        'update liquidity_rule set next_at = null where source_id = ? and company = ? and next_at <= now()',
        [sourceId, company],
      );
    });
  }

  /**
   * Forecasts without a transaction, so that nobody waits. Meanwhile the rule is due a while later: that is when another process
   * takes it if this one dies, or when this one tries again after a failure. A job that moves its balance makes it due at once.
   */
  private async judge(sourceId: number, id: string): Promise<void> {
    const [rule] = await this.em.fork().execute<(RuleRow & { lease: string })[]>(
      `update liquidity_rule set due_at = clock_timestamp() + make_interval(secs => ${LEASE_SECONDS})
        where id = (select id from liquidity_rule where id = ? and due_at <= clock_timestamp() for update skip locked)
       returning ${RULE_COLUMNS}, due_at::text as lease`,
      [id],
    );
    if (!rule) return;
    const reach = await this.reachOf(this.em.fork(), sourceId, rule);
    if (!reach.exists) {
      // Unless a job has made it due meanwhile.
      await this.em
        .fork()
        .execute('update liquidity_rule set due_at = null where id = ? and due_at = ?::timestamptz', [id, rule.lease]);
      return;
    }
    const asOf = reach.last === null ? new Date().toISOString() : showInstant(reach.last);
    const query = Object.assign(new ForecastQuery(), { days: rule.days, currency: rule.currency });
    const { items } = await this.forecastOf.of(sourceId, rule.company, asOf, query, rule.iban);
    await this.em.fork().transactional((em) => this.conclude(em, sourceId, rule, { asOf, lowest: lowestOf(items) }));
  }

  private async reachOf(em: EntityManager, sourceId: number, { company, iban }: RuleRow): Promise<Reach> {
    const [row] = await em.execute<Reach[]>(
      `with asked as (select ?::text as company, ?::text as iban),
       account as materialized (
         select owned.iban from cashflow_account owned join asked on owned.company = asked.company
          where owned.source_id = ${sourceId} and (asked.iban is null or owned.iban = asked.iban)
       )
       select (select to_jsonb(max(leg.at))#>>'{}' from (${legsOf('account', 't."timestamp" <= now()')}) leg) as last,
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
    leased: RuleRow & { lease: string },
    { asOf, lowest }: { asOf: string; lowest: ForecastDayView },
  ): Promise<void> {
    const [rule] = await em.execute<RuleRow[]>(
      `select ${RULE_COLUMNS} from liquidity_rule where id = ? and due_at = ?::timestamptz for update`,
      [leased.id, leased.lease],
    );
    // Deleted, or to be forecast again with what has come meanwhile.
    if (!rule) return;
    const isBreached = compareDecimals(lowest.expected, rule.threshold) < 0;
    const hasTurned = isBreached !== rule.is_breached;
    await em.execute(
      `update liquidity_rule
          set due_at = null, is_breached = ?, since = case when ? then ?::timestamptz else since end, balance = ?
        where id = ?`,
      [isBreached, hasTurned, asOf, lowest.expected, rule.id],
    );
    if (!hasTurned || (!isBreached && rule.is_breached === null)) return;
    const { id: ruleId, company: companyId, threshold, kind, currency, iban } = rule;
    const told = { ruleId, companyId, at: asOf, threshold, kind, currency, iban };
    const event = liquidityEvent(isBreached, { ...told, balance: lowest.expected, date: lowest.date });
    await addToOutbox(em, sourceId, () => databaseNow(em), [event]);
  }
}

/** @param items of at least one day */
function lowestOf(items: readonly ForecastDayView[]): ForecastDayView {
  return items.reduce((lowest, day) => (compareDecimals(day.expected, lowest.expected) < 0 ? day : lowest));
}
