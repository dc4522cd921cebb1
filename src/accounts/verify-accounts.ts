import pg from 'pg';
import type { AccountsVerdict, LedgerFault } from './accounts-verdict.js';
import { SYSTEM_ROLE } from '../database/source-isolation.js';

/** How many faults of one kind are reported. */
const MAX_FAULTS = 20;

/** The invariants of the ledger. Each query returns the breaches of one: `source_id`, `subject`. */
const RULES: { what: string; sql: string }[] = [
  {
    what: 'its entries are not two that sum to zero and move its amount',
    sql: `select t.source_id, t.id::text as subject
            from ledger_transfer t
            left join (select source_id, transfer_id, count(*) as entries, sum(amount) as sum, max(amount) as most
                         from ledger_entry group by 1, 2) e on e.source_id = t.source_id and e.transfer_id = t.id
           where e.entries is distinct from 2 or e.sum <> 0 or e.most <> t.amount`,
  },
  {
    what: 'its sides are not those of its kind',
    sql: `select t.source_id, t.id::text as subject
            from ledger_transfer t
            join (select source_id, transfer_id, max(account) filter (where amount < 0) as payer,
                         max(account) filter (where amount > 0) as payee
                    from ledger_entry group by 1, 2) e on e.source_id = t.source_id and e.transfer_id = t.id
           where not case t.kind when 'deposit' then payer = 0 and payee <> 0
                                 when 'withdrawal' then payer <> 0 and payee = 0
                                 else payer <> 0 and payee <> 0 and payer <> payee end`,
  },
  {
    what: 'an entry belongs to no transfer, or is of another time',
    sql: `select e.source_id, e.transfer_id::text as subject
            from ledger_entry e left join ledger_transfer t on t.source_id = e.source_id and t.id = e.transfer_id
           where t.at is distinct from e.at`,
  },
  {
    what: 'its balance is not the sum of its entries, or one of them is missing',
    sql: `select a.source_id, a.number::text as subject
            from ledger_account a
            left join (select source_id, account, count(*) as entries, sum(amount) as sum, max(seq) as last
                         from ledger_entry group by 1, 2) e on e.source_id = a.source_id and e.account = a.number
           where a.balance <> coalesce(e.sum, 0) or a.entries <> coalesce(e.entries, 0) or a.entries <> coalesce(e.last, 0)`,
  },
  {
    what: 'a running balance does not follow from the one before',
    sql: `select source_id, account::text as subject
            from (select source_id, account, seq, amount, balance,
                         lag(balance, 1, 0) over own as balance_before, lag(seq, 1, 0) over own as seq_before
                    from ledger_entry where account <> 0
                  window own as (partition by source_id, account order by at, seq)) e
           where balance <> balance_before + amount or seq <> seq_before + 1`,
  },
  {
    what: 'it has entries and is no account',
    sql: `select distinct e.source_id, e.account::text as subject
            from ledger_entry e left join ledger_account a on a.source_id = e.source_id and a.number = e.account
           where e.account <> 0 and a.number is null`,
  },
  {
    what: 'it is, or was, below its limit',
    sql: `select distinct a.source_id, a.number::text as subject
            from ledger_account a left join ledger_entry e on e.source_id = a.source_id and e.account = a.number
           where least(a.balance, e.balance) < -a.overdraft_limit`,
  },
];

/**
 * Recomputes the whole ledger of all sources in one database snapshot and reports what does not agree. Servers may post
 * meanwhile.
 */
export async function verifyAccounts(databaseUrl: string): Promise<AccountsVerdict> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'counterpart accounts verify' });
  await client.connect();
  try {
    await client.query(`begin isolation level repeatable read read only; set local role ${SYSTEM_ROLE}`);
    const { rows } = await client.query<Record<'accounts' | 'transfers' | 'entries', string>>(
      `select (select count(*) from ledger_account) as accounts, (select count(*) from ledger_transfer) as transfers,
              (select count(*) from ledger_entry) as entries`,
    );
    const [counts] = rows;
    const faults: LedgerFault[] = [];
    for (const rule of RULES) faults.push(...(await breachesOf(client, rule)));
    return {
      accounts: Number(counts?.accounts),
      transfers: Number(counts?.transfers),
      entries: Number(counts?.entries),
      faults,
    };
  } finally {
    await client.end();
  }
}

async function breachesOf(client: pg.Client, { what, sql }: (typeof RULES)[number]): Promise<LedgerFault[]> {
  const { rows } = await client.query<{ source: string; subject: string }>(
    `select s.name as source, b.subject from (${sql}) b left join source s on s.id = b.source_id
      order by 1, 2 limit ${MAX_FAULTS}`,
  );
  return rows.map(({ source, subject }) => ({ source, subject, what }));
}
