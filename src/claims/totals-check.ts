import pg from 'pg';
import type { TotalDifference, TotalsVerdict } from './totals-verdict.js';
import { SYSTEM_ROLE } from '../database/source-isolation.js';

/** Differences that are listed. Further ones are only counted: so many have one common cause. */
const MAX_LISTED = 100;

/** The longest wait for the lock on the totals. */
const LOCK_SECONDS = 20;

/**
 * Compares the stored totals of all providers, or of those of one source, with the lines of their claims. It is one
 * statement, so that a claim that is stored meanwhile is either in both or in neither.
 */
export function verifyTotals(databaseUrl: string, source: string | null): Promise<TotalsVerdict> {
  return asSystemRole(databaseUrl, 'read only', (client) => compare(client, source));
}

/**
 * Corrects totals that differ from the lines. Claims that are being stored meanwhile wait at their last step until it is
 * done.
 * @returns the differences found before the correction
 */
export function rebuildTotals(databaseUrl: string, source: string | null): Promise<TotalsVerdict> {
  return asSystemRole(databaseUrl, 'read write', async (client) => {
    // Whatever queues for the table after this statement waits as well, so the wait is limited.
    await client.query(`set local lock_timeout = '${LOCK_SECONDS}s'`);
    // A transaction that has updated totals holds off this lock until its commit; one that has not yet waits for it, and its
    // lines are not visible here.
    await client.query('lock table provider_total in share row exclusive mode');
    const before = await compare(client, source);
    if (before.different > 0) await client.query(CORRECT, [source]);
    return before;
  });
}

/** Runs `work` in one transaction of the role that may access all sources. */
async function asSystemRole<T>(
  databaseUrl: string,
  mode: 'read only' | 'read write',
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'counterpart claims' });
  await client.connect();
  try {
    await client.query(`begin ${mode}; set local role ${SYSTEM_ROLE}`);
    const result = await work(client);
    await client.query('commit');
    return result;
  } finally {
    await client.end();
  }
}

/** A provider that only one side has gets nulls for the other. Lines are summed by claim first, as a claim counts once. */
const COMPARED = `
  with chosen as (select id, name from source where $1::text is null or name = $1),
  counted as (
    select source_id, provider_npi, sum(net_fee) as net_fee, count(*) as claims
      from (select source_id, provider_npi, claim_id, sum(net_fee) as net_fee
              from claim_line where source_id in (select id from chosen)
             group by source_id, provider_npi, claim_id) of_claim
     group by source_id, provider_npi
  ), kept as (
    select source_id, provider_npi, net_fee, claims from provider_total where source_id in (select id from chosen)
  ), compared as (
    select source_id, provider_npi, kept.net_fee as kept_fee, kept.claims as kept_claims,
           counted.net_fee as counted_fee, counted.claims as counted_claims,
           (kept.net_fee, kept.claims) is distinct from (counted.net_fee, counted.claims) as differs
      from kept full join counted using (source_id, provider_npi)
  )`;

interface ComparedRow {
  providers: string;
  different: string;
  source: string | null;
  provider_npi: string;
  kept_fee: string | null;
  kept_claims: string;
  counted_fee: string | null;
  counted_claims: string;
}

async function compare(client: pg.Client, source: string | null): Promise<TotalsVerdict> {
  const { rows } = await client.query<ComparedRow>(
    `${COMPARED}, summary as (select count(*) as providers, count(*) filter (where differs) as different from compared)
     select summary.*, listed.* from summary left join lateral (
       select chosen.name as source, provider_npi, kept_fee, kept_claims, counted_fee, counted_claims
         from compared join chosen on chosen.id = source_id where differs
        order by chosen.name, provider_npi limit ${MAX_LISTED}) listed on true`,
    [source],
  );
  const [first] = rows;
  return {
    providers: Number(first?.providers ?? 0),
    different: Number(first?.different ?? 0),
    differences: rows.flatMap((row) => (row.source === null ? [] : [differenceOf(row, row.source)])),
  };
}

function differenceOf(row: ComparedRow, source: string): TotalDifference {
  const side = (netFee: string | null, claims: string) => (netFee === null ? null : { netFee, claims: Number(claims) });
  return {
    source,
    providerNpi: row.provider_npi,
    kept: side(row.kept_fee, row.kept_claims),
    counted: side(row.counted_fee, row.counted_claims),
  };
}

const CORRECT = `${COMPARED}, gone as (
    delete from provider_total total using compared
     where total.source_id = compared.source_id and total.provider_npi = compared.provider_npi and counted_fee is null
  )
  insert into provider_total as total (source_id, provider_npi, net_fee, claims)
  select source_id, provider_npi, counted_fee, counted_claims from compared where differs and counted_fee is not null
  on conflict (source_id, provider_npi) do update set net_fee = excluded.net_fee, claims = excluded.claims`;
