import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited, subjectOf } from '../../platform/audited.js';
import { answerPageOrExport } from '../../platform/exports.js';
import { PageQuery } from '../../platform/paging.js';
import { Wants } from '../../platform/wants.js';
import { RequestedJob } from '../jobs/requested-job.js';
import type { SyncJob } from '../jobs/sync-job.entity.js';
import { ApiPage } from './api-page.js';
import { JobChangeView } from './change.dto.js';
import { JobChanges } from './job-changes.js';
import { KeptPlans } from './kept-plans.js';

const COLUMNS = ['externalId', 'operation', 'before', 'after'];

/** What a job changed, or would change. */
@ApiTags('sync jobs')
@Wants('read')
@Controller('sync/jobs')
export class JobChangesController {
  constructor(
    private readonly changes: JobChanges,
    private readonly plans: KeptPlans,
  ) {}

  @Get(':id/changes')
  @Audited('job.changes_read', { subject: subjectOf('job'), exported: 'job.changes_exported' })
  @ApiOperation({ summary: 'The rows that the job changed, before and after' })
  @ApiPage(JobChangeView)
  @ApiProduces('application/json', 'application/x-ndjson', 'text/csv')
  async list(
    @RequestedJob() job: SyncJob,
    @Query() query: PageQuery,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await answerPageOrExport(request, response, {
      page: () => this.changes.page(job, query.limit, query.cursor),
      mayBegin: async () => void (await this.changes.page(job, 1)),
      all: () => this.changes.all(job),
      csvColumns: COLUMNS,
      toCells,
    });
  }

  @Get(':id/plan')
  @Audited('job.plan_read', { subject: subjectOf('job'), exported: 'job.plan_exported' })
  @ApiOperation({
    summary: 'The rows that a held job or a dry run would change, before and after',
    description: 'Deletions first, then by external id; at most 10,000 are kept, until a day after the job has ended.',
  })
  @ApiPage(JobChangeView)
  @ApiProduces('application/json', 'application/x-ndjson', 'text/csv')
  async plan(
    @RequestedJob() job: SyncJob,
    @Query() query: PageQuery,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await answerPageOrExport(request, response, {
      page: () => this.plans.page(job, query.limit, query.cursor),
      mayBegin: async () => void (await this.plans.page(job, 1)),
      all: () => this.plans.all(job),
      csvColumns: COLUMNS,
      toCells,
    });
  }
}

function toCells({ before, after, ...rest }: JobChangeView): Record<string, unknown> {
  return { ...rest, before: cell(before), after: cell(after) };
}

function cell(image: JobChangeView['before']): string | null {
  return image === null ? null : JSON.stringify(image);
}
