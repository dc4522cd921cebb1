import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7, validate as isUuid } from 'uuid';
import { numberLiteral } from '../../definitions/column-types.js';
import { Cursors, listScope } from '../../http/cursors.js';
import type { Page, PageQuery } from '../../http/paging.js';
import { Refusal } from '../../http/refusal.js';
import { parseDecimal } from '../../values/money.js';
import { CompanyList } from '../company-list.js';
import { judgeBalances, lockForNewRule, movementOf } from './judge-balances.js';
import type { CreateLiquidityRule } from './liquidity.dto.js';
import { RULE_COLUMNS, type RuleRow } from './rule-row.js';

/** Each is judged whenever its company's balance moves, and all of a source when its rates do. */
const MAX_RULES_OF_COMPANY = 20;
const MAX_RULES_OF_SOURCE = 10_000;

const WHOLE_DIGITS = 15;
const FRACTION_DIGITS = 4;

const DEFAULT_DAYS = 30;

/** Makes, lists and deletes the rules of a company. */
@Injectable()
export class LiquidityRules {
  constructor(
    private readonly em: EntityManager,
    private readonly companies: CompanyList,
    private readonly cursors: Cursors,
  ) {}

  /**
   * Makes a rule. One about a balance is judged in the same transaction, so that what is below its line is told at once; forecasts
   * are made soon afterwards.
   * @throws Refusal 400, 404, 409
   */
  async create(sourceId: number, companyId: string, order: CreateLiquidityRule): Promise<RuleRow> {
    const company = await this.companies.get(sourceId, companyId);
    const threshold = readThreshold(order.threshold);
    const iban = order.iban ?? null;
    if (iban !== null && !company.ibans.includes(iban)) {
      throw Refusal.field('iban', 'iban must be an account of the company');
    }
    const isForecast = order.kind === 'forecast_below';
    if (!isForecast && (order.days ?? null) !== null) throw Refusal.field('days', 'days is only for forecasts');
    const days = isForecast ? (order.days ?? DEFAULT_DAYS) : null;
    const id = uuidv7();
    return this.em.fork().transactional(async (em) => {
      await lockForNewRule(em, sourceId);
      await refuseTooMany(em, sourceId, company.id);
      await em.execute(
        `insert into liquidity_rule (source_id, id, company, kind, threshold, currency, iban, days, due_at, created)
         values (?, ?, ?, ?, ?, ?, ?, ?, ${isForecast ? 'now()' : 'null'}, now())`,
        [sourceId, id, company.id, order.kind, threshold, order.currency, iban, days],
      );
      if (!isForecast) await judgeBalances(em, sourceId, movementOf(company.id));
      return findRule(em, sourceId, company.id, id);
    });
  }

  /** @throws Refusal 404 */
  async get(sourceId: number, companyId: string, id: string): Promise<RuleRow> {
    await this.companies.get(sourceId, companyId);
    return findRule(this.em.fork(), sourceId, companyId, id);
  }

  /** Newest first. @throws Refusal 404 */
  async list(sourceId: number, companyId: string, { limit, cursor }: PageQuery): Promise<Page<RuleRow>> {
    await this.companies.get(sourceId, companyId);
    const scope = listScope('liquidity-rules', sourceId, { company: companyId });
    const after = this.cursors.read(cursor, scope, 1)?.[0];
    const rows = await this.em.fork().execute<RuleRow[]>(
      `select ${RULE_COLUMNS} from liquidity_rule
        where source_id = ? and company = ? ${after === undefined ? '' : 'and id < ?'} order by id desc limit ?`,
      [sourceId, companyId, ...(after === undefined ? [] : [after]), limit + 1],
    );
    return this.cursors.toPage(rows, limit, scope, ({ id }) => [id]);
  }

  /** @throws Refusal 404 */
  async delete(sourceId: number, companyId: string, id: string): Promise<void> {
    await this.companies.get(sourceId, companyId);
    const deleted = isUuid(id)
      ? await this.em
          .fork()
          .execute<object[]>('delete from liquidity_rule where source_id = ? and company = ? and id = ? returning 1', [
            sourceId,
            companyId,
            id,
          ])
      : [];
    if (deleted.length === 0) throw Refusal.notFound('liquidity rule');
  }
}

function readThreshold(value: unknown): string {
  const text = numberLiteral(value);
  const threshold = text === null ? null : parseDecimal(text, WHOLE_DIGITS, FRACTION_DIGITS);
  if (threshold !== null) return threshold;
  throw Refusal.field(
    'threshold',
    `threshold must be a decimal with at most ${WHOLE_DIGITS} digits before and ${FRACTION_DIGITS} after the point`,
  );
}

async function refuseTooMany(em: EntityManager, sourceId: number, company: string): Promise<void> {
  const [row] = await em.execute<{ of_source: string; of_company: string }[]>(
    `select count(*) as of_source, count(*) filter (where company = ?) as of_company from liquidity_rule where source_id = ?`,
    [company, sourceId],
  );
  if (Number(row?.of_company) >= MAX_RULES_OF_COMPANY) {
    throw new Refusal(409, 'too_many_rules', `A company may have at most ${MAX_RULES_OF_COMPANY} liquidity rules.`);
  }
  if (Number(row?.of_source) >= MAX_RULES_OF_SOURCE) {
    throw new Refusal(409, 'too_many_rules', `A source may have at most ${MAX_RULES_OF_SOURCE} liquidity rules.`);
  }
}

async function findRule(em: EntityManager, sourceId: number, company: string, id: string): Promise<RuleRow> {
  const rows = isUuid(id)
    ? await em.execute<RuleRow[]>(
        `select ${RULE_COLUMNS} from liquidity_rule where source_id = ? and company = ? and id = ?`,
        [sourceId, company, id],
      )
    : [];
  const [row] = rows;
  if (!row) throw Refusal.notFound('liquidity rule');
  return row;
}
