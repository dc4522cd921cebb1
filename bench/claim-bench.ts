import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/** Claims that one statement inserts. */
const BATCH = 50_000;

const SEEDED_LINES = 2;

/** Works on the server's database: inserts claims, waits for a backlog of payments, and copies lines for comparison. */
export class ClaimBench {
  private constructor(private readonly client: pg.Client) {}

  static async connect(url: string): Promise<ClaimBench> {
    const client = new pg.Client(url);
    await client.connect();
    return new ClaimBench(client);
  }

  close(): Promise<void> {
    return this.client.end();
  }

  /** Inserts settled claims of two lines each, with a tenth as many providers, and no totals. */
  async seed(source: string, claims: number): Promise<void> {
    await this.client.query('insert into source (name) values ($1) on conflict do nothing', [source]);
    // Skips the checks of foreign keys: the rows refer to each other only.
    await this.client.query('set session_replication_role = replica');
    for (let done = 0; done < claims; done += BATCH) {
      await this.client.query(SEED, [source, Math.min(BATCH, claims - done), Math.max(10, Math.round(claims / 10))]);
    }
    await this.client.query('set session_replication_role = origin');
  }

  /** Leaves no vacuum and no checkpoint for the time of the measurement. */
  async vacuum(): Promise<void> {
    await this.client.query('vacuum (analyze) claim, claim_line, claim_provider, provider_total, payment_notification');
    await this.client.query('checkpoint');
  }

  /** @returns the seconds that the payments service takes to settle a backlog of claims that are inserted at once */
  async timeBacklog(source: string, claims: number): Promise<number> {
    const start = performance.now();
    await this.client.query(
      `insert into payment_notification (source_id, claim_id, net_fee)
       select s.id, uuidv7(), 1 from source s, generate_series(1, $2::int) where s.name = $1`,
      [source, claims],
    );
    for (let left = claims; left > 0; await delay(50)) {
      const { rows } = await this.client.query(
        `select count(*)::int as left from payment_notification where status in ('pending', 'notified')`,
      );
      left = (rows[0] as { left: number }).left;
    }
    return (performance.now() - start) / 1000;
  }

  /** @returns the seconds that COPY takes for the lines, into a table without keys, indexes and row-level security */
  async timeCopy(lines: string[][]): Promise<number> {
    await this.client.query(`
      create table raw_line (line int, service_date timestamp, submitted_procedure text, quadrant text, plan_group_number text,
        subscriber_number text, provider_npi text, provider_fees numeric(15,2), allowed_fees numeric(15,2),
        member_coinsurance numeric(15,2), member_copay numeric(15,2))`);
    const start = performance.now();
    const rows = Readable.from(lines.map((cells) => `${cells.join('\t')}\n`));
    await pipeline(rows, this.client.query(copyFrom('copy raw_line from stdin')));
    const seconds = (performance.now() - start) / 1000;
    await this.client.query('drop table raw_line');
    return seconds;
  }
}

const SEED = `
  with made as materialized (
    select (select id from source where name = $1) as source_id, uuidv7() as id, n,
           (1000000000 + (random() * ($3::int - 1))::int)::text as npi
      from generate_series(1, $2::int) n
  ), claims as (
    insert into claim (source_id, id, content, net_fee, line_count)
    select source_id, id, '', (n % 10000) / 50.0, ${SEEDED_LINES} from made
  ), providers as (
    insert into claim_provider (source_id, provider_npi, claim_id) select source_id, npi, id from made
  ), notifications as (
    insert into payment_notification (source_id, claim_id, net_fee, status, relayed_at)
    select source_id, id, (n % 10000) / 50.0, 'settled', now() from made
  )
  insert into claim_line (source_id, claim_id, line, service_date, submitted_procedure, plan_group_number, subscriber_number,
    provider_npi, provider_fees, allowed_fees, member_coinsurance, member_copay, net_fee)
  select source_id, id, line, now(), 'D2740', 'GRP-7', n::text, npi, (n % 10000) / 100.0, 0, 0, 0, (n % 10000) / 100.0
    from made cross join generate_series(0, ${SEEDED_LINES - 1}) line`;

/** Percentiles of response times in milliseconds, and the number of calls. */
export interface Latencies {
  p50: number;
  p95: number;
  count: number;
}

export function latenciesOf(milliseconds: number[]): Latencies {
  const sorted = milliseconds.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), count: sorted.length };
}

/** Makes calls one after the other, each of which must be answered 200. */
export async function readRepeatedly(url: string, times: number, headers: Record<string, string>): Promise<Latencies> {
  const taken: number[] = [];
  for (let call = 0; call < times; call += 1) {
    const start = performance.now();
    const response = await fetch(url, { headers });
    await response.arrayBuffer();
    if (response.status !== 200) throw new Error(`a read was answered ${response.status}`);
    taken.push(performance.now() - start);
  }
  return latenciesOf(taken);
}
