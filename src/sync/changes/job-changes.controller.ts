import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited, subjectOf } from '../../platform/audited.js';
import { CallerSource } from '../../platform/caller-source.js';
import { answerPageOrExport } from '../../platform/exports.js';
import { PageQuery } from '../../platform/paging.js';
import { Wants } from '../../platform/wants.js';
import { SyncJobs } from '../jobs/sync-jobs.js';
import { Sources } from '../sources.js';
import { ApiPage } from './api-page.js';
import { JobChangeView } from './change.dto.js';
import { JobChanges } from './job-changes.js';

/** What a job changed. */
@ApiTags('sync jobs')
@Wants('read')
@Controller('sync/jobs')
export class JobChangesController {
  constructor(
    private readonly jobs: SyncJobs,
    private readonly changes: JobChanges,
    private readonly sources: Sources,
  ) {}

  @Get(':id/changes')
  @Audited('job.changes_read', { subject: subjectOf('job'), exported: 'job.changes_exported' })
  @ApiOperation({ summary: 'The rows that the job changed, before and after' })
  @ApiPage(JobChangeView)
  @ApiProduces('application/json', 'application/x-ndjson', 'text/csv')
  async list(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Query() query: PageQuery,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const job = await this.jobs.get(await this.sources.find(source), id);
    await answerPageOrExport(request, response, {
      page: () => this.changes.page(job, query.limit, query.cursor),
      mayBegin: async () => void (await this.changes.page(job, 1)),
      all: () => this.changes.all(job),
      csvColumns: ['externalId', 'operation', 'before', 'after'],
      toCells: ({ before, after, ...rest }) => ({ ...rest, before: cell(before), after: cell(after) }),
    });
  }
}

function cell(image: JobChangeView['before']): string | null {
  return image === null ? null : JSON.stringify(image);
}
