import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Cursors } from '../../http/cursors.js';
import type { Page } from '../../http/paging.js';
import { Refusal } from '../../http/refusal.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import { LogHorizons } from '../logs/log-horizons.js';
import type { JobChangeView } from './change.dto.js';
import { AppliedChanges } from './applied-changes.js';
import type { ChangedRow, ChangedRows } from './changed-rows.js';
import { type BoundedRow, pagesOf, roomFor, withinBytes } from '../../database/page-bytes.js';
import { rowsChangedBy } from '../reconcile/number-commit.js';

/** Rows fetched at once for an export, fewer if they are large: about a megabyte. */
const EXPORT_PAGE = 2_000;

/** Tells what a job changed, by row. A job that changed nothing, has not yet, or was dry has no changes. */
@Injectable()
export class JobChanges {
  constructor(
    private readonly em: EntityManager,
    private readonly changes: AppliedChanges,
    private readonly horizons: LogHorizons,
    private readonly cursors: Cursors,
  ) {}

  /** In the order of the rows' ids. @throws Refusal 410 if they are no longer kept */
  async page(job: SyncJob, limit: number, cursor?: string): Promise<Page<JobChangeView>> {
    const after = this.cursors.readPosition(cursor, `changes of ${job.id}`) ?? 0;
    const changes = await this.changes.ofResource(job.resource);
    const rows = await this.rows(job, changes, after, limit + 1);
    const page = this.cursors.toPage(rows, roomFor(rows, limit), `changes of ${job.id}`, (row) => [row.row_id]);
    return { ...page, items: page.items.map((row) => changes.toChange(row)) };
  }

  /** All of them, some at a time. @throws Refusal 410 if they are no longer kept, or are dropped meanwhile */
  async *all(job: SyncJob): AsyncGenerator<JobChangeView> {
    const changes = await this.changes.ofResource(job.resource);
    const read = (last?: ChangedRow) => this.rows(job, changes, Number(last?.row_id ?? 0), EXPORT_PAGE);
    for await (const rows of pagesOf(read, EXPORT_PAGE)) yield* rows.map((row) => changes.toChange(row));
  }

  private async rows(
    job: SyncJob,
    changes: ChangedRows,
    after: number,
    limit: number,
  ): Promise<(ChangedRow & BoundedRow)[]> {
    if (job.appliedAt === null || rowsChangedBy(job) === 0) return [];
    const rows = await this.em.fork().execute<(ChangedRow & BoundedRow)[]>(
      withinBytes(
        `select changed.* from (
         select source_id, resource, applied_at as at, created_after_id, created_up_to_id, ?::bigint as after_row
           from sync_job where id = ?) job
        cross join lateral ${changes.ofJob(limit)} changed
        order by changed.row_id`,
        { columns: ['row_id', 'external_id', 'operation'], contents: ['before', 'after'], orderBy: 'row_id' },
      ),
      [after, job.id],
    );
    if (await this.horizons.isGone('change', job.appliedAt, job.resource)) {
      throw new Refusal(410, 'changes_gone', 'The changes of this job are no longer kept.');
    }
    return rows;
  }
}
