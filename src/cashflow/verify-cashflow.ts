import pg from 'pg';
import { SYSTEM_ROLE } from '../database/source-isolation.js';
import type { CashflowFault, CashflowVerdict } from './cashflow-verdict.js';
import { monthOf, TRANSACTIONS } from './legs.js';
import { EXCLUDING, ownVerdict, VERDICTS } from './verdicts.js';

/** Faults that are listed of each kind. Further ones have the same cause. */
const MAX_LISTED = 20;

/**
 * Computes who owns which account, what is wrong with which transaction, and all sums again from the rows, for all sources or one,
 * and compares. All of it in one snapshot of the database, so that jobs which take effect meanwhile are either in it or not.
 */
export async function verifyCashflow(databaseUrl: string, source: string | null): Promise<CashflowVerdict> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'counterpart cashflow' });
  await client.connect();
  try {
    await client.query(`begin isolation level repeatable read read only; set local role ${SYSTEM_ROLE}`);
    const faults: CashflowFault[] = [];
    for (const statement of [wrongOwners(), ...TRANSACTIONS.map(wrongVerdicts), wrongMonths(), wrongPositions()]) {
      const listed = `
        select source.name as source, fault.what from (${statement}) fault join source on source.id = fault.source_id
         where $1::text is null or source.name = $1 order by 1, 2 limit ${MAX_LISTED}`;
      // oxlint-disable-next-line no-await-in-loop -- over kinds of faults, in one session
      faults.push(...(await client.query<CashflowFault>(listed, [source])).rows);
    }
    const { rows } = await client.query<Record<'sources' | 'received' | 'clean' | 'dirty' | 'accounts', string>>(
      COUNTS,
      [source],
    );
    await client.query('commit');
    const [counts] = rows;
    return {
      sources: Number(counts?.sources),
      received: Number(counts?.received),
      clean: Number(counts?.clean),
      dirty: Number(counts?.dirty),
      accounts: Number(counts?.accounts),
      faults,
    };
  } finally {
    await client.end();
  }
}

const OWNERS = `
  select distinct on (t.source_id, iban) t.source_id, iban, t.external_id as company
    from mirrored_companies t cross join unnest(t.ibans) iban where t.deleted_at is null
   order by t.source_id, iban, t.updated desc, t.external_id`;

function wrongOwners(): string {
  return `
    select coalesce(owner.source_id, kept.source_id) as source_id,
           'account ' || coalesce(owner.iban, kept.iban) || ' is kept as of company ' || coalesce(kept.company, 'none')
             || ', and companies say ' || coalesce(owner.company, 'none') as what
      from (${OWNERS}) owner
      full join cashflow_account kept on kept.source_id = owner.source_id and kept.iban = owner.iban
     where kept.company is distinct from owner.company`;
}

/** All live rows of a kind with the verdict that follows from them. */
function judged(kind: string): string {
  return `
    select t.*, (${ownVerdict('t')} | case when min(t.amount) over same <> max(t.amount) over same then ${VERDICTS.batch} else 0 end
                )::smallint as verdict
      from mirrored_${kind} t where t.deleted_at is null
    window same as (partition by t.source_id, t."timestamp", t."transactionId", t."payerIban", t."beneficiaryIban")`;
}

function wrongVerdicts(kind: string): string {
  return `
    select source_id, '${kind} ' || external_id || ' has verdict ' || "$verdict" || ', and its values say ' || verdict as what
      from (${judged(kind)}) row where "$verdict" <> verdict`;
}

/** The legs of all accounts that have an owner, with what sums are told apart by. */
function legs(): string {
  const sides = TRANSACTIONS.flatMap((kind) =>
    [
      ['beneficiaryIban', 'payerIban', 'true'],
      ['payerIban', 'beneficiaryIban', 'false'],
    ].map(
      ([own, other, isCredit]) => `
      select t.source_id, account.iban, account.company, ${monthOf('t."timestamp"')} as month, '${kind}' as resource,
             coalesce(t.currency, '') as currency, (t.verdict & ${EXCLUDING})::smallint as verdict,
             coalesce(other.company = account.company, false) as internal, t.amount, ${isCredit} as is_credit
        from (${judged(kind)}) t
        join (${OWNERS}) account on account.source_id = t.source_id and account.iban = t."${own}"
        left join (${OWNERS}) other on other.source_id = t.source_id and other.iban = t."${other}"`,
    ),
  );
  return sides.join(' union all ');
}

function wrongMonths(): string {
  const figures = ['credits', 'credit_count', 'debits', 'debit_count'];
  const key = ['source_id', 'iban', 'month', 'resource', 'currency', 'verdict', 'internal'].join(', ');
  const raw = `
    coalesce(sum(amount) filter (where is_credit), 0) as credits, count(*) filter (where is_credit) as credit_count,
    coalesce(sum(amount) filter (where not is_credit), 0) as debits, count(*) filter (where not is_credit) as debit_count`;
  return different('cashflow_month', 'account', key, figures, raw);
}

function wrongPositions(): string {
  const raw = 'sum(case when is_credit then amount else -amount end) as net, count(*) as legs';
  return different(
    'cashflow_position',
    'company',
    'source_id, company, resource, currency, verdict',
    ['net', 'legs'],
    raw,
  );
}

/** Where a table of sums differs from the legs. */
function different(table: string, of: string, key: string, figures: string[], raw: string): string {
  const differs = figures.map((figure) => `kept.${figure} is distinct from raw.${figure}`).join(' or ');
  const shown = (alias: string) => figures.map((figure) => `${alias}.${figure}`).join(', ');
  return `
    select source_id, 'the sums of ${of} ' || concat_ws(' ', ${key.replace('source_id, ', '')}) || ' are ('
             || concat_ws(', ', ${shown('kept')}) || '), and its rows say (' || concat_ws(', ', ${shown('raw')}) || ')' as what
      from (select ${key}, ${raw} from (${legs()}) leg group by ${key}) raw
      full join ${table} kept using (${key})
     where ${differs}`;
}

const ROWS = TRANSACTIONS.map(
  (kind) => `select source_id, copies, "$verdict" as verdict from mirrored_${kind} where deleted_at is null`,
).join(' union all ');

/** Copies of a row that is clean otherwise are clean: it counts once. */
const COUNTS = `
  with wanted as (select id from source where $1::text is null or name = $1)
  select (select count(*) from wanted) as sources,
         (select count(*) from cashflow_account join wanted on id = source_id) as accounts,
         coalesce(sum(copies), 0) as received,
         coalesce(sum(copies) filter (where verdict & ${EXCLUDING} = 0), 0) as clean,
         coalesce(sum(copies) filter (where verdict & ${EXCLUDING} <> 0), 0) as dirty
    from (${ROWS}) row join wanted on wanted.id = row.source_id`;
