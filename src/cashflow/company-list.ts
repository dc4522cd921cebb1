import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Cursors } from '../http/cursors.js';
import type { Page } from '../http/paging.js';
import { Refusal } from '../http/refusal.js';
import { formatMoney } from '../values/money.js';
import { exact, toCents } from '../values/exact-decimal.js';
import { isStorable } from '../values/text.js';
import { AnswerBases, describeBasis } from './answer-basis.js';
import type { ListCompanies } from './cashflow-query.dto.js';
import type { AnswerBasis, CompanyPosition, CompanyView } from './cashflow-view.dto.js';
import { rulesOf } from './cashflow-query.dto.js';
import { COMPANIES, type TransactionKind, TRANSACTIONS, transactionsView } from './legs.js';
import { ratesFor } from './rates.js';
import { countedVerdicts, EXCLUDING } from './verdicts.js';

interface CompanyRow {
  external_id: string;
  name: string;
  owner: string | null;
  address: string | null;
  ibans: string[];
  stated_balance: string | null;
}

interface PositionRow extends CompanyRow {
  balance: string;
}

const COLUMNS = `c.external_id, c.name, c.owner, c.address, to_json(c.ibans) as ibans, c."statedBalance"::text as stated_balance`;

/** Finds companies, and lists them by name or by what they have. */
@Injectable()
export class CompanyList {
  constructor(
    private readonly em: EntityManager,
    private readonly cursors: Cursors,
    private readonly bases: AnswerBases,
  ) {}

  /** @throws Refusal 404 if there is no live company with that id at its source */
  async get(sourceId: number, id: string): Promise<CompanyView> {
    const rows = isStorable(id)
      ? await this.em
          .fork()
          .execute<CompanyRow[]>(
            `select ${COLUMNS} from ${COMPANIES} c where c.source_id = ? and c.external_id = ? and c.deleted_at is null`,
            [sourceId, id],
          )
      : [];
    const [row] = rows;
    if (!row) throw Refusal.notFound('company');
    return toView(row);
  }

  /** Balances are those of now. Of a list by balance they are those of each page's time. */
  async list(sourceId: number, query: ListCompanies): Promise<Page<CompanyPosition> & AnswerBasis> {
    const { q = '', sort, currency, limit } = query;
    const basis = await this.bases.of(sourceId);
    const scope = ['companies', sort, currency, query.includeBatch, query.ibanRule, q].join(' ');
    const end = this.cursors.read(query.cursor, scope, 2);
    const rows = await this.em
      .fork()
      .execute<PositionRow[]>(sort === 'name' ? byName(end !== null) : byBalance(sort, end !== null), [
        `{${countedVerdicts(rulesOf(query)).join(',')}}`,
        JSON.stringify(ratesFor(basis.rates, currency)),
        sourceId,
        q,
        ...(end ?? []),
        limit + 1,
      ]);
    const keyOf = (row: PositionRow) => [sort === 'name' ? row.name : row.balance, row.external_id];
    const page = this.cursors.toPage(rows, limit, scope, keyOf);
    const items = page.items.map((row) => ({ ...toView(row), balance: toCents(exact(row.balance)) }));
    return { ...page, items, ...describeBasis(basis, currency) };
  }
}

/** Values: verdicts that count, rates by currency, source, start of the name. */
const ASKED = `
  with asked as (select ?::smallint[] as counted),
  rate as (select key as currency, value::numeric as worth from json_each_text(?::json)),
  company as (
    select ${COLUMNS} from ${COMPANIES} c
     where c.source_id = ? and c.deleted_at is null and starts_with(lower(c.name), lower(?))
  ), later as materialized (${TRANSACTIONS.map(laterThanNow).join(' union all ')})`;

function laterThanNow(kind: TransactionKind): string {
  return `
    select "payerIban", "beneficiaryIban", amount, currency, ("$verdict" & ${EXCLUDING})::smallint as verdict
      from ${transactionsView(kind)} where deleted_at is null and "timestamp" > now()`;
}

/**
 * SQL: what the companies of a relation `shown` are worth; `account` has their accounts. What is booked later than now, which is rare, is in the sums,
 * but not in a balance of now.
 */
const WORTH = `
  select part.company, sum(part.net * rate.worth) as balance
    from (select kept.company, kept.currency, kept.verdict, kept.net
            from shown join cashflow_position kept on kept.company = shown.external_id
          union all
          select account.company, coalesce(later.currency, ''), later.verdict,
                 case when side.iban = later."payerIban" then later.amount else -later.amount end
            from later
           cross join lateral (values (later."payerIban"), (later."beneficiaryIban")) side (iban)
            join account on account.iban = side.iban
           where later."payerIban" <> later."beneficiaryIban") part
    join rate on rate.currency = part.currency
   where part.verdict = any((select counted from asked)::smallint[])
   group by part.company`;

function byName(isLater: boolean): string {
  return `${ASKED},
    page as (
      select * from company ${isLater ? 'where (name collate "C", external_id) > (?, ?)' : ''}
       order by name collate "C", external_id limit ?
    ), shown as (select external_id from page),
    account as (select iban, company from cashflow_account where company in (select external_id from shown)),
    worth as (${WORTH})
    select page.*, trim_scale(coalesce(worth.balance, 0))::text as balance
      from page left join worth on worth.company = page.external_id
     order by page.name collate "C", page.external_id`;
}

function byBalance(sort: 'balance' | '-balance', isLater: boolean): string {
  const [after, order] = sort === 'balance' ? ['>', 'asc'] : ['<', 'desc'];
  const later = `
    cross join (select ?::numeric as balance, ?::text collate "C" as external_id) last
    where position.balance ${after} last.balance
       or (position.balance = last.balance and position.external_id > last.external_id)`;
  return `${ASKED},
    shown as (select external_id from company),
    account as (select iban, company from cashflow_account where company in (select external_id from shown)),
    worth as (${WORTH}),
    position as (
      select company.*, coalesce(worth.balance, 0) as balance
        from company left join worth on worth.company = company.external_id
    )
    select position.external_id, name, owner, address, ibans, stated_balance, trim_scale(position.balance)::text as balance
      from position ${isLater ? later : ''}
     order by position.balance ${order}, position.external_id limit ?`;
}

function toView(row: CompanyRow): CompanyView {
  return {
    id: row.external_id,
    name: row.name,
    owner: row.owner,
    address: row.address,
    ibans: row.ibans,
    statedBalance: row.stated_balance === null ? null : formatMoney(row.stated_balance),
  };
}
