import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited, subjectOf } from '../../audit/audited.js';
import { answerPageOrExport, type ExportableList } from '../../audit/exports.js';
import { PageQuery } from '../../http/paging.js';
import { Wants } from '../../http/wants.js';
import { RequestedJob } from './requested-job.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import { ApiPage } from '../../http/api-page.js';
import { JobChangeView } from '../changes/change.dto.js';
import { JobChanges } from '../changes/job-changes.js';
import { KeptPlans } from '../changes/kept-plans.js';

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
    await answerPageOrExport(request, response, listOf(this.changes, job, query));
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
    await answerPageOrExport(request, response, listOf(this.plans, job, query));
  }
}

function listOf(
  rows: JobChanges | KeptPlans,
  job: SyncJob,
  { limit, cursor }: PageQuery,
): ExportableList<JobChangeView> {
  return {
    page: () => rows.page(job, limit, cursor),
    mayBegin: async () => void (await rows.page(job, 1)),
    all: () => rows.all(job),
    csvColumns: ['externalId', 'operation', 'before', 'after'],
    toCells: ({ before, after, ...rest }) => ({ ...rest, before: cell(before), after: cell(after) }),
  };
}

function cell(image: JobChangeView['before']): string | null {
  return image === null ? null : JSON.stringify(image);
}
