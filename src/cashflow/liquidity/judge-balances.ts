import type { EntityManager } from '@mikro-orm/postgresql';
import { addToOutbox } from '../../outbox/outbox.js';
import { databaseNow } from '../../sync/leases/job-leases.js';
import { exact, toCents } from '../../values/exact-decimal.js';
import { readBasis } from '../answer-basis.js';
import { COMPANIES, legsOf } from '../legs.js';
import { ratesFor, type Target, TARGETS } from '../rates.js';
import { showInstant } from '../transaction-rows.js';
import { countedVerdicts } from '../verdicts.js';
import { liquidityEvent } from './liquidity-event.js';

/** The rules by which balances are answered where nobody asks for others. */
const USUAL = { includeBatch: false, ibanRule: 'either' } as const;

/** A rule whose balance is on the other side of its line now. */
interface Turned {
  has_turned: boolean;
  id: string;
  currency: Target;
  iban: string | null;
  company: string;
  was_breached: boolean | null;
  is_breached: boolean;
  since: string;
  balance: string;
  threshold: string;
}

/** Which balances may have moved. */
export interface Movement {
  /** SQL: the companies, as a select of one column; null: all of the source. And the values of that select. */
  companies: string | null;
  values?: string[];
  /** Whether bank transactions have moved them: then one of these has crossed the line. Rates and owners change now. */
  isByTransactions: boolean;
}

/** Transactions of one company. */
export function movementOf(company: string): Movement {
  return { companies: 'select ?::text', values: [company], isByTransactions: true };
}

/**
 * Makes a new rule wait until all that moves balances has committed, and all that comes later see the rule. For whoever makes
 * one, before anything else in its transaction.
 */
export async function lockForNewRule(em: EntityManager, sourceId: number): Promise<void> {
  await em.execute('select pg_advisory_xact_lock(hashtextextended(?, 0))', [lockOf(sourceId)]);
}

/**
 * Judges the rules of companies whose balances may have moved, and puts what has crossed its line into the outbox. For the
 * transaction that moves them, once all is moved: jobs on both kinds of transactions wait for each other here, as neither sees
 * what the other one has moved and not committed.
 */
export async function judgeBalances(
  em: EntityManager,
  sourceId: number,
  { companies, values = [], isByTransactions }: Movement,
): Promise<void> {
  await em.execute('select pg_advisory_xact_lock_shared(hashtextextended(?, 0))', [lockOf(sourceId)]);
  const which = companies === null ? '' : `and company in (${companies})`;
  const rules = await em.execute<{ id: string; kind: string }[]>(
    `select id, kind from liquidity_rule where source_id = ? ${which} order by id for update`,
    [sourceId, ...values],
  );
  const idsOf = (kind: string) => `{${rules.flatMap((rule) => (rule.kind === kind ? [rule.id] : [])).join(',')}}`;
  const forecasts = idsOf('forecast_below');
  if (forecasts !== '{}') {
    // Also one that somebody forecasts at this moment, without what has moved here.
    await em.execute('update liquidity_rule set due_at = least(due_at, clock_timestamp()) where id = any(?::uuid[])', [
      forecasts,
    ]);
  }
  const balances = idsOf('balance_below');
  if (balances === '{}') return;
  const { rates } = await readBasis(em, sourceId);
  const worth = Object.fromEntries(TARGETS.map((target) => [target, ratesFor(rates, target)]));
  const judged = await em.execute<Turned[]>(judgement(sourceId, isByTransactions), [
    JSON.stringify(worth),
    `{${countedVerdicts(USUAL).join(',')}}`,
    balances,
  ]);
  const turned = judged.filter((rule) => rule.has_turned && (rule.is_breached || rule.was_breached === true));
  const events = turned.map((rule) =>
    liquidityEvent(rule.is_breached, {
      ruleId: rule.id,
      companyId: rule.company,
      at: showInstant(rule.since),
      balance: toCents(exact(rule.balance)),
      threshold: rule.threshold,
      kind: 'balance_below',
      currency: rule.currency,
      iban: rule.iban,
    }),
  );
  await addToOutbox(em, sourceId, () => databaseNow(em), events);
}

function lockOf(sourceId: number): string {
  return `counterpart:liquidity:${sourceId}`;
}

/**
 * Compares the balance of now with each rule's line, exactly. Of rules that are on the other side it adds up the
 * transactions in their order, to find the last one that crossed the line: its instant and the balance after it are kept. Where
 * none has, it is now. What is booked later than now is left out, and the rule is to be judged again when the first of it counts.
 * Values: rates by currency and target, verdicts that count, rules.
 */
function judgement(sourceId: number, isByTransactions: boolean): string {
  const [since, balance] = isByTransactions
    ? ['coalesce(crossing.at, now())', 'coalesce(crossing.balance, turned.balance)']
    : ['now()', 'turned.balance'];
  const counted = 'any((select counted from asked)::smallint[])';
  return `
    with asked as (select ?::json as worth, ?::smallint[] as counted, ?::uuid[] as rules),
    rate as (
      select target.key as target, of_target.key as currency, of_target.value::numeric as worth
        from asked cross join json_each(asked.worth) target cross join json_each_text(target.value) of_target
    ), rule as materialized (
      select r.id, r.company, r.threshold, r.currency as target, r.iban, r.is_breached
        from liquidity_rule r join ${COMPANIES} c on c.source_id = ${sourceId} and c.external_id = r.company and c.deleted_at is null
       where r.id = any((select rules from asked)::uuid[])
    ), account as materialized (
      select rule.id as rule, rule.target, owned.iban
        from rule join cashflow_account owned
          on owned.source_id = ${sourceId} and owned.company = rule.company and (rule.iban is null or owned.iban = rule.iban)
    ), watched as (select distinct iban from account),
    later as materialized (
      select account.rule, account.target, leg.currency, leg.verdict, leg.at,
             case when leg.is_credit then -leg.amount else leg.amount end as net
        from (${legsOf('watched', 't."timestamp" > now()')}) leg join account on account.iban = leg.iban
    ), sums as (
      select rule, target, currency, verdict, net from later
      union all
      select rule.id as rule, rule.target, kept.currency, kept.verdict, kept.net
        from rule join cashflow_position kept on kept.source_id = ${sourceId} and kept.company = rule.company
       where rule.iban is null
      union all
      select account.rule, account.target, kept.currency, kept.verdict, kept.credits - kept.debits
        from rule join account on account.rule = rule.id
        join cashflow_month kept on kept.source_id = ${sourceId} and kept.iban = account.iban
       where rule.iban is not null
    ), worth as (
      select sums.rule, sum(sums.net * rate.worth) as balance
        from sums join rate on rate.target = sums.target and rate.currency = sums.currency
       where sums.verdict = ${counted} group by sums.rule
    ), turned as materialized (
      select rule.*, coalesce(worth.balance, 0) as balance, coalesce(worth.balance, 0) < rule.threshold as is_below
        from rule left join worth on worth.rule = rule.id
       where (coalesce(worth.balance, 0) < rule.threshold) is distinct from rule.is_breached
         and (rule.iban is null or rule.id in (select rule from account))
    ), ${isByTransactions ? crossings(counted) : NO_CROSSINGS}
    update liquidity_rule r
       set is_breached = coalesce(turned.is_below, r.is_breached),
           since = case when turned.id is null then r.since else ${since} end,
           balance = case when turned.id is null then r.balance else ${balance} end,
           next_at = next.at
      from rule
      left join turned on turned.id = rule.id
      left join crossing on crossing.id = rule.id
      left join (select rule, min(at) as at from later group by rule) next on next.rule = rule.id
     where r.id = rule.id and (turned.id is not null or r.next_at is distinct from next.at)
    returning turned.id is not null as has_turned, r.id, r.company, r.currency, r.iban, rule.is_breached as was_breached,
              r.is_breached, to_jsonb(r.since)#>>'{}' as since, r.balance::text, r.threshold::text`;
}

/** SQL: the last transaction of each turned rule that crossed its line, as expressions of a `with`. */
function crossings(counted: string): string {
  return `
    own as materialized (
      select distinct iban from account where rule in (select id from turned)
    ), moved as (
      select account.rule, leg.at, sum(case when leg.is_credit then leg.amount else -leg.amount end * rate.worth) as net
        from (${legsOf('own', 't."timestamp" <= now()')}) leg
        join account on account.iban = leg.iban and account.rule in (select id from turned)
        join rate on rate.target = account.target and rate.currency = leg.currency
       where leg.verdict = ${counted}
       group by account.rule, leg.at
    ), running as (
      select rule, at, net, sum(net) over (partition by rule order by at) as balance from moved
    ), crossing as (
      select distinct on (turned.id) turned.id, running.at, running.balance
        from running join turned on turned.id = running.rule
       where (running.balance < turned.threshold) = turned.is_below
         and (running.balance - running.net < turned.threshold) <> turned.is_below
       order by turned.id, running.at desc
    )`;
}

/** SQL: the same where no transaction has. */
const NO_CROSSINGS =
  'crossing as (select null::uuid as id, null::timestamptz as at, null::numeric as balance where false)';
