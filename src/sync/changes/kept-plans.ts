import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Cursors } from '../../http/cursors.js';
import type { Page } from '../../http/paging.js';
import { Refusal } from '../../http/refusal.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import type { JobChangeView } from './change.dto.js';
import { AppliedChanges } from './applied-changes.js';
import type { ChangedRow } from './changed-rows.js';
import { type BoundedRow, pagesOf, roomFor, withinBytes } from '../../database/page-bytes.js';

interface PlannedRow extends Omit<ChangedRow, 'row_id'>, BoundedRow {
  ordinal: number;
}

/** Rows fetched at once for an export, fewer if they are large: about a megabyte. */
const EXPORT_PAGE = 2_000;

/** Tells what a job would change, or would have changed when it was held. */
@Injectable()
export class KeptPlans {
  constructor(
    private readonly em: EntityManager,
    private readonly changes: AppliedChanges,
    private readonly cursors: Cursors,
  ) {}

  /** Deletions first, then by external id. @throws Refusal 404 if the job has no plan, 410 if it is no longer kept */
  async page(job: SyncJob, limit: number, cursor?: string): Promise<Page<JobChangeView>> {
    const after = this.cursors.readPosition(cursor, `plan of ${job.id}`) ?? 0;
    const changes = await this.changes.ofResource(job.resource);
    const rows = await this.rows(job, after, limit + 1);
    const page = this.cursors.toPage(rows, roomFor(rows, limit), `plan of ${job.id}`, ({ ordinal }) => [
      String(ordinal),
    ]);
    return { ...page, items: page.items.map((row) => changes.toChange(row)) };
  }

  /** All that is kept of it. */
  async *all(job: SyncJob): AsyncGenerator<JobChangeView> {
    const changes = await this.changes.ofResource(job.resource);
    const read = (last?: PlannedRow) => this.rows(job, last?.ordinal ?? 0, EXPORT_PAGE);
    for await (const rows of pagesOf(read, EXPORT_PAGE)) yield* rows.map((row) => changes.toChange(row));
  }

  private async rows(job: SyncJob, after: number, limit: number): Promise<PlannedRow[]> {
    if (job.plan === null) {
      throw new Refusal(404, 'no_plan', 'The job has no plan: it was neither held for approval nor a dry run.');
    }
    const rows = await this.em.fork().execute<PlannedRow[]>(
      withinBytes(
        `select ordinal, external_id, operation, before::text, after::text from planned_change
          where source_id = ? and job_id = ? and ordinal > ? order by ordinal limit ?`,
        { columns: ['ordinal', 'external_id', 'operation'], contents: ['before', 'after'], orderBy: 'ordinal' },
      ),
      [job.sourceId, job.id, after, limit],
    );
    if (rows.length === 0 && after === 0 && (job.plan.listed ?? 0) > 0) {
      throw new Refusal(410, 'plan_gone', 'What this job would have changed is no longer kept.');
    }
    return rows;
  }
}
