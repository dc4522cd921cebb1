import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Cursors } from '../../http/cursors.js';
import type { Page } from '../../http/paging.js';
import { Refusal } from '../../http/refusal.js';
import { LogHorizons } from '../logs/log-horizons.js';
import { parseExact } from '../../values/exact-json.js';
import { type BoundedRow, pagesOf, roomFor, withinBytes } from '../../database/page-bytes.js';
import type { SyncJob } from '../model/sync-job.entity.js';

/** A record that was rejected or is unresolved, as it is reported. */
export interface RecordErrorView {
  index: number;
  externalId: string | null;
  status: 'fail';
  code: string;
  /** The record as sent. */
  data: unknown;
  /** Messages by field. */
  errors: Record<string, string[]>;
}

interface ErrorRow extends BoundedRow {
  index: number;
  external_id: string | null;
  code: string;
  errors: string;
  data: string;
}

/** Rows fetched at once for an export, fewer if their records are large. */
const EXPORT_PAGE = 500;

/** Reads what a job reported about single records. */
@Injectable()
export class RecordErrorLog {
  constructor(
    private readonly em: EntityManager,
    private readonly horizons: LogHorizons,
    private readonly cursors: Cursors,
  ) {}

  /** In the order of the snapshot. @throws Refusal 410 if they are no longer kept */
  async page(job: SyncJob, limit: number, cursor?: string): Promise<Page<RecordErrorView>> {
    const after = this.cursors.readPosition(cursor, `errors of ${job.id}`) ?? -1;
    const rows = await this.rows(job, after, limit + 1);
    const page = this.cursors.toPage(rows, roomFor(rows, limit), `errors of ${job.id}`, ({ index }) => [String(index)]);
    return { ...page, items: page.items.map(toView) };
  }

  /** All of them, a page at a time. */
  async *all(job: SyncJob): AsyncGenerator<RecordErrorView> {
    const read = (last?: ErrorRow) => this.rows(job, last?.index ?? -1, EXPORT_PAGE);
    for await (const rows of pagesOf(read, EXPORT_PAGE)) yield* rows.map(toView);
  }

  private async rows(job: SyncJob, after: number, limit: number): Promise<ErrorRow[]> {
    // As text: the driver's own parser would round numbers.
    const rows = await this.em.fork().execute<ErrorRow[]>(
      withinBytes(
        `select index, external_id, code, errors::text, data::text from sync_error
          where job_id = ? and at = ? and index > ? order by index limit ?`,
        { columns: ['index', 'external_id', 'code'], contents: ['errors', 'data'], orderBy: 'index' },
      ),
      [job.id, job.submittedAt, after, limit],
    );
    // A job's errors are dropped together: where some are, all are.
    if (rows.length === 0 && hasErrors(job) && (await this.horizons.isGone('sync_error', job.submittedAt))) {
      throw new Refusal(410, 'errors_gone', 'What this job reported about single records is no longer kept.');
    }
    return rows;
  }
}

function hasErrors({ counts }: SyncJob): boolean {
  return counts.rejected + counts.unresolved > 0;
}

function toView(row: ErrorRow): RecordErrorView {
  return {
    index: row.index,
    externalId: row.external_id,
    status: 'fail',
    code: row.code,
    data: parseExact(row.data),
    errors: JSON.parse(row.errors) as Record<string, string[]>,
  };
}
