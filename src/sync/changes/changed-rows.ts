import { literal } from '../../database/database.js';
import { parseExact } from '../../values/exact-json.js';
import { lastLoss } from '../logs/log-horizons.js';
import { jsonImage } from '../tables/mirror-sql.js';
import type { MirrorTable } from '../tables/mirror-table.js';

/** A row's fields at some time, by the names that records have; null while the row was not there. */
export type Image = Record<string, unknown> | null;

/** A changed row as the statements below yield it: images are JSON text. */
export interface ChangedRow {
  row_id: string;
  external_id: string;
  operation: 'created' | 'updated' | 'deleted' | 'restored';
  before: string | null;
  after: string | null;
}

/**
 * What was changed in the rows of one resource, as SQL. What a row was before is in `change`. What it was after is what
 * it was before its next change; without a next one it is the row as it is. Created rows are not logged: the job knows
 * the range of their ids.
 */
export class ChangedRows {
  constructor(private readonly mirror: MirrorTable) {}

  get resource(): string {
    return this.mirror.resource;
  }

  /**
   * A lateral subquery of the changes that a `job` (source_id, resource, at, created_after_id, created_up_to_id,
   * after_row) made to this resource, by row id: at most `limit` after `after_row`. Created rows have higher ids than
   * any row that was there, so both halves are read by their primary keys and no further than the limit.
   */
  ofJob(limit: number): string {
    const isMine = `job.resource = ${literal(this.resource)}`;
    return `(
      (select c.row_id, c.external_id, c.operation, ${this.images('c.operation')}
         from (select * from change
                where ${isMine} and source_id = job.source_id and resource = ${literal(this.resource)}
                  and at = job.at and row_id > job.after_row
                order by row_id limit ${limit}) c
         join ${this.mirror.table} t on t.source_id = job.source_id and t.id = c.row_id ${this.nextChange('c.at')})
      union all
      (select t.id, t.external_id, 'created', ${this.images(`'created'`, 'null::jsonb')}
         from (select * from ${this.mirror.table}
                where ${isMine} and id > greatest(job.created_after_id, job.after_row) and id <= job.created_up_to_id
                  and source_id = job.source_id and created = job.at
                order by id limit ${limit}) t ${this.nextChange('t.created')})
      order by row_id limit ${limit})`;
  }

  /**
   * The changes of one `wanted` row (source_id, external_id, before: a time), newest first, each with its time in milliseconds
   * and its job: at most `limit` before that time. The creation of a row is reported as long as its time is kept.
   */
  ofRow(limit: number): string {
    const resource = literal(this.resource);
    return `
      (select c.row_id, c.external_id, c.operation, ${this.images('c.operation')}, c.at, c.job_id
         from (select change.* from change, wanted
                where change.source_id = wanted.source_id and resource = ${resource}
                  and change.external_id = wanted.external_id and at < wanted.before and at > ${lastLoss(resource)}
                order by at desc limit ${limit}) c
         join ${this.mirror.table} t on t.source_id = c.source_id and t.id = c.row_id ${this.nextChange('c.at')})
      union all
      (select t.id, t.external_id, 'created', ${this.images(`'created'`, 'null::jsonb')}, t.created,
              (select id from sync_job
                where source_id = t.source_id and resource = ${resource} and applied_at = t.created limit 1)
         from wanted join ${this.mirror.table} t on t.source_id = wanted.source_id and t.external_id = wanted.external_id
              ${this.nextChange('t.created')}
        where t.created < wanted.before and t.created > ${lastLoss(resource)}
          and not exists (select 1 from log_horizon where log = 'change' and kept_from > t.created))`;
  }

  /** The SQL that says whether there ever was such a row. */
  existence(): string {
    return `select 1 from ${this.mirror.table} where source_id = ? and external_id = ?`;
  }

  /** The change as callers see it. */
  toChange({ external_id: externalId, operation, before, after }: Omit<ChangedRow, 'row_id'>) {
    return { externalId, operation, before: this.toImage(before), after: this.toImage(after) };
  }

  /** JSON text with the fields in the order of the record, each value as it leaves the system. */
  toImage(text: string | null): Image {
    if (text === null) return null;
    const image = parseExact(text) as Record<string, unknown>;
    const fields = this.mirror.columns.map(({ field, type }): [string, unknown] => {
      const stored = Object.hasOwn(image, field) ? image[field] : null;
      return [field, stored === null ? null : type.show(stored)];
    });
    return Object.fromEntries(fields);
  }

  /** `before` and `after` of a change to the row `t`, whose next change is `next`. */
  private images(operation: string, logged = 'c.before'): string {
    return `
      case when ${operation} <> 'restored' then (${logged})::text end as before,
      case when ${operation} <> 'deleted' then coalesce(next.before, ${this.currentImage()})::text end as after`;
  }

  /** The change of row `t` that came next after the time `at`. It is looked for only if the row has changed since. */
  private nextChange(at: string): string {
    return `left join lateral (
      select n.before from change n
       where (t.updated > ${at} or t.deleted_at > ${at})
         and n.source_id = t.source_id and n.resource = ${literal(this.resource)}
         and n.external_id = t.external_id and n.at > ${at}
       order by n.at limit 1) next on true`;
  }

  private currentImage(): string {
    return jsonImage(this.mirror.columns, ({ column }) => `t.${column}`);
  }
}
