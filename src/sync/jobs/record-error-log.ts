import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { type Page, readPosition, toPage } from '../../platform/paging.js';
import { parseExact } from '../read/exact-json.js';
import type { SyncJob } from './sync-job.entity.js';

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

interface ErrorRow {
  index: number;
  external_id: string | null;
  code: string;
  errors: string;
  data: string;
}

/** Rows fetched at once for an export, and the bytes of records among them at which it makes do with fewer. */
const EXPORT_PAGE = 500;

/** Reads what a job reported about single records. */
@Injectable()
export class RecordErrorLog {
  constructor(private readonly em: EntityManager) {}

  /** In the order of the snapshot. */
  async page(job: SyncJob, limit: number, cursor?: string): Promise<Page<RecordErrorView>> {
    const after = readPosition(cursor, 'errors') ?? -1;
    const rows = await this.rows(job, after, limit + 1);
    return toPage(rows.map(toView), limit, 'errors', (error) => [String(error.index)]);
  }

  /** All of them, a page at a time. */
  async *all(job: SyncJob): AsyncGenerator<RecordErrorView> {
    let rows = await this.rows(job, -1, EXPORT_PAGE);
    while (rows.length > 0) {
      yield* rows.map(toView);
      rows = await this.rows(job, rows.at(-1)?.index ?? 0, EXPORT_PAGE);
    }
  }

  private rows(job: SyncJob, after: number, limit: number): Promise<ErrorRow[]> {
    // As text: the driver's own parser would round numbers.
    return this.em.fork().execute<ErrorRow[]>(
      `select index, external_id, code, errors::text, data::text from sync_error
        where job_id = ? and at = ? and index > ? order by index limit ?`,
      [job.id, job.submittedAt, after, limit],
    );
  }
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
