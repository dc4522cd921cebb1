import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { CallerSource, maySee } from '../../http/caller-source.js';
import { linkNextPage, type Page } from '../../http/paging.js';
import { preferredWaitSeconds } from '../../http/prefer.js';
import { Refusal } from '../../http/refusal.js';
import { NO_SOURCE, withinSource } from '../../database/source-isolation.js';
import { Wants } from '../../http/wants.js';
import { Definitions } from '../../definitions/definitions.js';
import { Sources } from '../sources/sources.js';
import { JobAnswers } from './job-answers.js';
import { streamJobEvents } from '../jobs/job-events.js';
import { JobView } from '../jobs/job-view.js';
import { JobWatcher } from '../jobs/job-watcher.js';
import { ListJobs } from './list-jobs.dto.js';
import { RequestedJob } from './requested-job.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import { OtherJobs } from '../model/other-jobs.js';
import { SyncJobs } from '../jobs/sync-jobs.js';

/** The account of every snapshot. */
@ApiTags('sync jobs')
@Wants('read')
@Controller('sync/jobs')
export class JobsController {
  constructor(
    private readonly jobs: SyncJobs,
    private readonly answers: JobAnswers,
    private readonly watcher: JobWatcher,
    private readonly sources: Sources,
    private readonly definitions: Definitions,
    private readonly otherJobs: OtherJobs,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Jobs, newest first' })
  async list(
    @CallerSource() caller: string,
    @Query() query: ListJobs,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<JobView>> {
    if (query.resource && !this.definitions.has(query.resource)) {
      throw Refusal.parameter('resource', 'There is no such resource.');
    }
    const source = query.source ?? caller;
    const sourceId = maySee(request, source) ? await this.sources.find(source) : NO_SOURCE;
    const page = await withinSource(sourceId, () => this.jobs.list(sourceId, source, query));
    linkNextPage(request, response, page);
    return page;
  }

  @Get(':id')
  @ApiOperation({ summary: 'A job, or other work that is told like one, such as a pull' })
  @ApiHeader({ name: 'Prefer', required: false, description: 'wait=10: wait up to so many seconds for its end' })
  @ApiResponse({ status: 200, type: JobView })
  async get(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<object> {
    const sourceId = await this.sources.find(source);
    const job = await this.jobs.find(sourceId, id);
    if (job) return this.answers.current(request, response, job, source);
    const other = await this.otherJobs.find(sourceId, id, preferredWaitSeconds(request.headers.prefer));
    if (!other) throw Refusal.notFound('job');
    return other;
  }

  @Get(':id/events')
  @ApiOperation({ summary: 'A job as server-sent events, until it ends' })
  @ApiProduces('text/event-stream')
  async events(@CallerSource() source: string, @RequestedJob() job: SyncJob, @Res() response: Response): Promise<void> {
    const view = async () => this.jobs.view(await this.jobs.get(job.sourceId, job.id), source);
    await streamJobEvents(response, this.watcher, job.id, view);
  }
}
