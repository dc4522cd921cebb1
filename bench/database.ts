import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { createWriteStream } from 'node:fs';

/** The payments' columns, in the order of the raw file. */
const COLUMNS = 'source_id, external_id, patient_external_id, patient_id, amount, created, updated';

/** The yardstick's side of the database, and what brings it back to where it was. */
export class BenchDatabase {
  private constructor(private readonly client: pg.Client) {}

  static async connect(url: string): Promise<BenchDatabase> {
    const client = new pg.Client(url);
    await client.connect();
    return new BenchDatabase(client);
  }

  close(): Promise<void> {
    return this.client.end();
  }

  async wal(): Promise<bigint> {
    const { rows } = await this.client.query(`select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text as bytes`);
    return BigInt(rows[0].bytes);
  }

  /** The mirrored payments as a file for COPY: the same rows, resolved, in the order in which they were sent. */
  async exportRaw(path: string): Promise<void> {
    const sql = `copy (select ${COLUMNS} from payment where deleted_at is null order by hashtext(external_id)) to stdout`;
    await pipeline(this.client.query(copyTo(sql)), createWriteStream(path));
  }

  /** RAW: the seconds that COPY takes into a table identical to `payment`: constraints, foreign keys, indexes. */
  async rawCopy(path: string): Promise<number> {
    await this.client.query(`
      drop table if exists raw_payment;
      create table raw_payment (like payment including all);
      alter table raw_payment add foreign key (source_id) references source;
      alter table raw_payment add foreign key (patient_id) references patient`);
    await this.settle();
    const start = performance.now();
    await pipeline(createReadStream(path), this.client.query(copyFrom(`copy raw_payment (${COLUMNS}) from stdin`)));
    const seconds = (performance.now() - start) / 1000;
    await this.client.query('drop table raw_payment');
    return seconds;
  }

  /** As if payments had never been sent. */
  async forgetPayments(): Promise<void> {
    await this.client.query(`
      truncate payment;
      update patient set payments_total = 0, payments_count = 0 where payments_count <> 0;
      update mirror_state set content = null, applied_job = null where resource = 'payments';
      delete from change`);
    await this.settle();
  }

  /** Nothing that one measurement left to do falls into the next one. */
  async settle(): Promise<void> {
    await this.client.query('vacuum (analyze) patient');
    await this.client.query('vacuum (analyze) payment');
    await this.client.query('checkpoint');
  }

  /** Milliseconds from a job's start until its staging had ended, watched from outside. */
  async watchStaging(jobId: string): Promise<number> {
    for (;;) {
      const { rows } = await this.client.query(
        `select status, phase, extract(epoch from clock_timestamp() - started_at) as seconds from sync_job where id = $1`,
        [jobId],
      );
      if (rows[0].phase === 'reconciling' || rows[0].status === 'completed') return Number(rows[0].seconds);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
