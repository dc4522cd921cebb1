import pg from 'pg';

/** A payment as a job of the version before finds it: without `after` it goes, without `before` it comes. */
export interface PaymentChange {
  externalId: string;
  before?: { patientId: string; amount: string };
  after?: { patientId: string; amount: string };
}

/** What a job of the version before does to patients, by external id. */
export interface PatientChanges {
  insert?: string[];
  update?: string[];
  delete?: string[];
  restore?: string[];
}

const SUMS = 'sum(sum0) as sum0, sum(sum1) as sum1';
const IS_MOVED = 'having sum(sum0) <> 0 or sum(sum1) <> 0';
const MOVE = `
  update "patient" p set "payments_total" = p."payments_total" + moved.sum0, "payments_count" = p."payments_count" + moved.sum1
    from moved0 moved where p.id = moved.parent_id and p.deleted_at is null returning 1`;

/**
 * A worker of the version that kept the totals of patients in their rows, and knows no other table with them: the statements
 * of its reconciliation, as it sent them.
 */
export class WorkerBefore {
  private constructor(
    private readonly client: pg.Client,
    private readonly sourceId: number,
  ) {}

  static async on(databaseUrl: string, source: string): Promise<WorkerBefore> {
    const client = new pg.Client(databaseUrl);
    await client.connect();
    const { rows } = await client.query<{ id: number }>('select id from source where name = $1', [source]);
    return new WorkerBefore(client, rows[0]?.id ?? 0);
  }

  leave(): Promise<void> {
    return this.client.end();
  }

  /** What its API answers about a patient, and in which order it lists them by total. */
  async reads(): Promise<{ externalId: string; total: string; count: number }[]> {
    return this.within(async (query) => {
      const rows = await query(
        `select p.external_id, p.payments_total::text, p.payments_count from patient_of_source p
          where p.source_id = ${this.sourceId} and p.deleted_at is null order by p.payments_total desc, p.external_id limit 51`,
      );
      return rows.map((row) => ({ externalId: row.external_id, total: row.payments_total, count: row.payments_count }));
    });
  }

  patients(changes: PatientChanges): Promise<void> {
    const { insert = [], update = [], delete: gone = [], restore = [] } = changes;
    const at = new Date().toISOString();
    return this.within(async (query) => {
      await query(
        `create temporary table difference ("$operation" text, id bigint, external_id text collate "C") on commit drop`,
      );
      for (const [operation, ids] of Object.entries({ I: insert, U: update, D: gone, R: restore })) {
        await query(
          `insert into difference select $1, p.id, changed from unnest($2::text[]) changed
             left join patient p on p.source_id = ${this.sourceId} and p.external_id = changed`,
          [operation, ids],
        );
      }
      await query(
        `update "patient" t set deleted_at = $1, "payments_total" = 0, "payments_count" = 0
           from difference d where d."$operation" = 'D' and t.id = d.id`,
        [at],
      );
      await query(
        `update "patient" t set "first_name" = 'Old', updated = $1, deleted_at = null
           from difference d where d."$operation" in ('U', 'R') and t.id = d.id`,
        [at],
      );
      await query(
        `insert into "patient" (source_id, external_id, "first_name", "last_name", created, updated)
         select ${this.sourceId}, external_id, 'Old', 'Old', $1, $1 from difference where "$operation" = 'I' order by external_id`,
        [at],
      );
      await query(
        `update "payment" c set "patient_id" = null
           from difference d where d."$operation" = 'D' and c.source_id = ${this.sourceId} and c."patient_id" = d.id`,
      );
      await query(
        `with relinked as (
           update "payment" c set "patient_id" = p.id
             from difference d join "patient" p on p.source_id = ${this.sourceId} and p.external_id = d.external_id
            where d."$operation" in ('I', 'R') and c.source_id = ${this.sourceId}
              and c."patient_id" is null and c.deleted_at is null and c."patient_external_id" = d.external_id returning c.*),
         moved0 as (
           select parent_id, ${SUMS} from (
             select "patient_id" as parent_id, 1 * coalesce("amount", 0) as sum0, 1 * 1 as sum1
               from relinked where "patient_id" is not null and ("patient_id" is not null)) touched
            group by parent_id ${IS_MOVED}),
         summed0 as (${MOVE})
         select (select count(*)::int from summed0)`,
      );
    });
  }

  payments(changes: PaymentChange[]): Promise<void> {
    const at = new Date().toISOString();
    return this.within(async (query) => {
      await query(
        `create temporary table difference ("$operation" text, external_id text collate "C", patient_external_id text collate "C",
           amount numeric(19,4), "$old2" numeric(19,4), "$new_link1" bigint, "$old_link1" bigint) on commit drop`,
      );
      await query(
        `insert into difference
         select case when before is null then 'I' when after is null then 'D' else 'U' end, "externalId", after->>'patientId',
                (after->>'amount')::numeric, (before->>'amount')::numeric, p.id, c.patient_id
           from jsonb_to_recordset($1) changed ("externalId" text, before jsonb, after jsonb)
           left join payment c on c.source_id = ${this.sourceId} and c.external_id = "externalId"
           left join patient p on p.source_id = ${this.sourceId} and p.external_id = after->>'patientId' and p.deleted_at is null`,
        [JSON.stringify(changes)],
      );
      await query(
        `update "payment" t set deleted_at = $1 from difference d where d."$operation" = 'D' and t.external_id = d.external_id`,
        [at],
      );
      await query(
        `update "payment" t set "patient_external_id" = d.patient_external_id, "amount" = d.amount, "patient_id" = d."$new_link1",
                updated = $1, deleted_at = null
           from difference d where d."$operation" in ('U', 'R') and t.external_id = d.external_id`,
        [at],
      );
      await query(
        `insert into "payment" (source_id, external_id, "patient_external_id", "amount", "patient_id", created, updated)
         select ${this.sourceId}, external_id, patient_external_id, amount, "$new_link1", $1, $1 from difference where "$operation" = 'I'`,
        [at],
      );
      await query(
        `with moved0 as (
           select parent_id, ${SUMS} from (
             select "$old_link1" as parent_id, -1 * coalesce("$old2", 0) as sum0, -1 * 1 as sum1 from difference
              where "$old_link1" is not null and "$operation" in ('U', 'D') and ("$old_link1" is not null)
             union all
             select "$new_link1" as parent_id, 1 * coalesce("amount", 0) as sum0, 1 * 1 as sum1 from difference
              where "$new_link1" is not null and "$operation" in ('I', 'U', 'R') and ("$new_link1" is not null)) touched
            group by parent_id ${IS_MOVED}),
         logged0 as (
           insert into total_change (source_id, resource, at, row_id, before)
           select p.source_id, 'patients', $1::timestamptz, p.id, p."payments_total"
             from moved0 moved join "patient" p on p.id = moved.parent_id and p.deleted_at is null where moved.sum0 <> 0),
         summed0 as (${MOVE})
         select (select count(*)::int from summed0)`,
        [at],
      );
    });
  }

  /** A transaction as that version began it: under its role, within its source. */
  private async within<T>(
    work: (query: (sql: string, values?: unknown[]) => Promise<any[]>) => Promise<T>,
  ): Promise<T> {
    await this.client.query(
      `begin; set local role counterpart_app; set local counterpart.source = '${this.sourceId}'; set local timezone = 'UTC'`,
    );
    try {
      const done = await work(async (sql, values = []) => (await this.client.query(sql, values)).rows);
      await this.client.query('commit');
      return done;
    } catch (error) {
      await this.client.query('rollback');
      throw error;
    }
  }
}
