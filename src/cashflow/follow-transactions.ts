import type { EntityManager } from '@mikro-orm/postgresql';
import { literal } from '../database/database.js';
import type { AppliedDifference, Followed } from '../definitions/definition.js';
import { monthOf, type TransactionKind } from './legs.js';
import { judgeBalances } from './liquidity/judge-balances.js';
import { addToSums, figures } from './sums.js';
import { BITS_OF, EXCLUDING, type Kind, KINDS, ownVerdict, VERDICTS } from './verdicts.js';

/**
 * Judges the transactions that a job has touched and those of the same instants, among which the others of a batch are, and moves
 * the sums of the accounts that have an owner, and with them judges the rules of their companies.
 */
export async function followTransactions(kind: TransactionKind, applied: AppliedDifference): Promise<Followed> {
  const { em, sourceId } = applied;
  await em.execute(judge(applied));
  await correct(em, applied.table);
  await em.execute(moveLegs(kind, applied));
  const [moved] = await em.execute<{ goes: boolean }[]>('select coalesce(bool_or(goes), false) as goes from moved_sum');
  const touched = await addToSums(em, sourceId, 'moved_sum', moved?.goes ?? false);
  await judgeBalances(em, sourceId, {
    companies: `select company from cashflow_account where source_id = ${sourceId} and iban in (select iban from moved_sum)`,
    isByTransactions: true,
  });
  const warnings = await warningsAbout(em, sourceId);
  await em.execute('drop table judged; drop table moved_sum');
  return { touched, warnings };
}

/** Of the rows that the job has created or changed: how many are of each kind, and how many have to do with no company. */
async function warningsAbout(em: EntityManager, sourceId: number): Promise<Followed['warnings']> {
  const counted = KINDS.map((kind) => `count(*) filter (where verdict & ${BITS_OF[kind]} <> 0)::int as ${kind}`);
  const [found = {}] = await em.execute<Record<string, number>[]>(`
    select ${counted.join(', ')}, count(*) filter (where payer.iban is null and beneficiary.iban is null)::int as no_company
      from judged
      left join cashflow_account payer on payer.source_id = ${sourceId} and payer.iban = judged."payerIban"
      left join cashflow_account beneficiary on beneficiary.source_id = ${sourceId} and beneficiary.iban = judged."beneficiaryIban"
     where is_touched`);
  return Object.entries(DETAILS).flatMap(([kind, detail]) => {
    const count = found[kind] ?? 0;
    if (count === 0) return [];
    return [
      kind === 'no_company'
        ? { code: 'unknown_accounts', detail, count }
        : { code: 'dirty_transactions', detail, kind, count },
    ];
  });
}

/** What is wrong with transactions, and why that matters. */
const DETAILS: Record<Kind | 'no_company', string> = {
  batch: 'Payments of a batch, which do not count in balances unless they are asked for.',
  duplicate: 'Transactions that were delivered several times, which count once.',
  invalid_iban: 'Transactions with an IBAN that does not begin with a code of ISO 3166.',
  no_currency: 'Transactions without a currency of ISO 4217, which count in no balance.',
  no_company: 'Transactions whose accounts both belong to no company that is known by now.',
};

/**
 * All live rows of the touched instants, with their verdicts, the one that was `found`, and whether they are new or touched by the
 * job. A new row has the job's time as the one of its creation. Batches are found by grouping: to sort all rows for a window
 * function took twice as long.
 */
function judge({ view, old, at }: AppliedDifference): string {
  const group = ['timestamp', 'transactionId', 'payerIban', 'beneficiaryIban'].map((name) => `"${name}"`).join(', ');
  const applied = `${literal(at.toISOString())}::timestamptz`;
  return `
    create temporary table judged on commit drop as
    with touched as (
      select distinct case when "$operation" = 'D' then ${old('timestamp')} else "timestamp" end as at from difference
    ), restored as materialized (select id from difference where "$operation" = 'R'),
    moved as materialized (
      select t.id, t."transactionId", t."payerIban", t."beneficiaryIban", t.amount, t.currency, t."timestamp", t."$verdict" as found,
             ${ownVerdict('t')} as own, t.created, t.updated
        from touched join ${view} t on t."timestamp" = touched.at where t.deleted_at is null
    ), batch as materialized (
      select ${group}, true as is_batch from moved group by ${group} having min(amount) <> max(amount)
    )
    select id, "payerIban", "beneficiaryIban", amount, currency, "timestamp", found,
           (own | case when is_batch then ${VERDICTS.batch} else 0 end)::smallint as verdict,
           created = ${applied} or id in (select id from restored) as is_new, updated = ${applied} as is_touched
      from moved left join batch using (${group})`;
}

/** By their ids, as they are few: the planner takes them for most rows of the table, and would read all of it. */
async function correct(em: EntityManager, table: string): Promise<void> {
  await em.execute(`
    create temporary table corrected on commit drop as select id, verdict from judged where verdict <> found;
    analyze corrected;
    update ${table} t set "$verdict" = corrected.verdict from corrected where t.id = corrected.id;
    drop table corrected`);
}

/** What the sums of accounts gain and lose, by account, month, currency and verdict. */
function moveLegs(kind: TransactionKind, { table }: AppliedDifference): string {
  const columns = '"payerIban", "beneficiaryIban", amount, currency, "timestamp"';
  const isMoved = `(found & ${EXCLUDING}) <> (verdict & ${EXCLUDING})`;
  const owned = (iban: string) => `
    select ${kind === 'sepa' ? `'sepa'` : `'swift'`} as resource, account.iban, ${monthOf('moved."timestamp"')} as month,
           coalesce(moved.currency, '') as currency, moved.verdict, moved.amount, moved.sign,
           ${iban === 'beneficiaryIban'} as is_credit, coalesce(other.company = account.company, false) as internal
      from moved
      join cashflow_account account on account.iban = moved."${iban}"
      left join cashflow_account other on other.iban = moved."${iban === 'payerIban' ? 'beneficiaryIban' : 'payerIban'}"`;
  return `
    create temporary table moved_sum on commit drop as
    with moved as (
      select ${columns}, (verdict & ${EXCLUDING})::smallint as verdict, 1 as sign from judged where is_new or ${isMoved}
      union all
      select ${columns}, (found & ${EXCLUDING})::smallint, -1 from judged where not is_new and ${isMoved}
      union all
      select ${['"payerIban"', '"beneficiaryIban"', 'amount', 'currency', '"timestamp"'].map((column) => `t.${column}`).join(', ')},
             (t."$verdict" & ${EXCLUDING})::smallint, -1
        from difference d join ${table} t on t.id = d.id where d."$operation" = 'D'
    ), leg as (${owned('payerIban')} union all ${owned('beneficiaryIban')})
    select iban, month, resource, currency, verdict, internal, bool_or(sign < 0) as goes, ${figures('sign')}
      from leg group by iban, month, resource, currency, verdict, internal`;
}
