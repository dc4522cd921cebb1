import { Controller, Get, Header, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiPropertyOptional, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import { IsIn, IsOptional, Matches } from 'class-validator';
import { stringify } from 'csv-stringify';
import type { Request, Response } from 'express';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CallerSource } from '../../platform/caller-source.js';
import { linkNextPage, PageQuery, type Page } from '../../platform/paging.js';
import { Refusal } from '../../platform/refusal.js';
import { SnapshotIntake } from '../intake/snapshot-intake.js';
import { SnapshotStore } from '../intake/snapshot-store.js';
import { MirroredResources } from '../mirrored-resource.js';
import { Sources } from '../sources.js';
import { JobAnswers } from './job-answers.js';
import { streamJobEvents } from './job-events.js';
import { JobView } from './job-view.js';
import { JobWatcher } from './job-watcher.js';
import { RecordErrorLog, type RecordErrorView } from './record-error-log.js';
import { JOB_STATUSES, type JobStatus, type SyncJob } from './sync-job.entity.js';
import { SyncJobs } from './sync-jobs.js';

/** Which jobs to list. */
export class ListJobs extends PageQuery {
  @ApiPropertyOptional({ example: 'patients' })
  @IsOptional()
  @Matches(/^[a-z][a-z-]{0,40}$/)
  resource?: string;

  @ApiPropertyOptional({ enum: JOB_STATUSES })
  @IsOptional()
  @IsIn(JOB_STATUSES)
  status?: JobStatus;

  @ApiPropertyOptional({ example: 'default' })
  @IsOptional()
  @Matches(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/)
  source?: string;
}

/** The account of every snapshot, and the decisions about those that wait for one. */
@ApiTags('sync jobs')
@Controller('sync/jobs')
export class JobsController {
  constructor(
    private readonly jobs: SyncJobs,
    private readonly answers: JobAnswers,
    private readonly watcher: JobWatcher,
    private readonly errorLog: RecordErrorLog,
    private readonly store: SnapshotStore,
    private readonly intake: SnapshotIntake,
    private readonly sources: Sources,
    private readonly resources: MirroredResources,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Jobs, newest first' })
  async list(
    @CallerSource() caller: string,
    @Query() query: ListJobs,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<JobView>> {
    if (query.resource && !this.resources.all.some(({ name }) => name === query.resource)) {
      throw Refusal.parameter('resource', 'There is no such resource.');
    }
    const source = query.source ?? caller;
    const page = await this.jobs.list(await this.sources.find(source), source, query);
    linkNextPage(request, response, page);
    return page;
  }

  @Get(':id')
  @ApiOperation({ summary: 'A job' })
  @ApiHeader({ name: 'Prefer', required: false, description: 'wait=10: wait up to so many seconds for its end' })
  @ApiResponse({ status: 200, type: JobView })
  async get(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<JobView> {
    return this.answers.current(request, response, await this.job(source, id), source);
  }

  @Get(':id/events')
  @ApiOperation({ summary: 'A job as server-sent events, until it ends' })
  @ApiProduces('text/event-stream')
  async events(@CallerSource() source: string, @Param('id') id: string, @Res() response: Response): Promise<void> {
    const job = await this.job(source, id);
    const view = async () => this.jobs.view(await this.jobs.get(job.sourceId, id), source);
    await streamJobEvents(response, this.watcher, id, view);
  }

  @Get(':id/errors')
  @ApiOperation({ summary: 'The records that were rejected or are unresolved, in the order of the snapshot' })
  @ApiProduces('application/json', 'application/x-ndjson', 'text/csv')
  async errors(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Query() query: PageQuery,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const job = await this.job(source, id);
    const type = request.accepts(['application/json', 'application/x-ndjson', 'text/csv']);
    response.vary('Accept');
    if (type === 'application/x-ndjson' || type === 'text/csv') {
      response.type(type);
      const text = type === 'text/csv' ? stringify(CSV) : null;
      const source = Readable.from(text ? this.csvRows(job) : this.ndjsonLines(job));
      await (text ? pipeline(source, text, response) : pipeline(source, response));
      return;
    }
    const page = await this.errorLog.page(job, query.limit, query.cursor);
    linkNextPage(request, response, page);
    response.json(page);
  }

  @Get(':id/snapshot')
  @ApiOperation({ summary: 'The bytes as they were sent' })
  @ApiProduces('application/octet-stream')
  async snapshot(@CallerSource() source: string, @Param('id') id: string, @Res() response: Response): Promise<void> {
    const snapshot = await this.jobs.snapshotOf(await this.job(source, id));
    if (snapshot.purgedAt) throw new Refusal(410, 'snapshot_gone', 'The bytes of this snapshot are kept no longer.');
    // Not by Express, which would add a charset.
    response.setHeader('Content-Type', snapshot.contentType);
    response.set('Content-Length', String(snapshot.bytes));
    response.set('Repr-Digest', `sha-256=:${Buffer.from(snapshot.sha256, 'hex').toString('base64')}:`);
    if (snapshot.contentEncoding !== null) response.set('Content-Encoding', snapshot.contentEncoding);
    await pipeline(Readable.from(this.store.asSent(snapshot)), response);
  }

  @Post(':id/approve')
  @HttpCode(200)
  @ApiOperation({ summary: 'Apply exactly the plan that was shown' })
  async approve(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<JobView> {
    const job = await this.jobs.approve(await this.sources.find(source), id);
    return this.answers.current(request, response, job, source);
  }

  @Post(':id/reject')
  @HttpCode(200)
  @ApiOperation({ summary: 'Drop the plan that was shown' })
  async reject(@CallerSource() source: string, @Param('id') id: string): Promise<JobView> {
    return this.jobs.view(await this.jobs.reject(await this.sources.find(source), id), source);
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @ApiOperation({ summary: 'Stop a job that has not begun to change the mirror' })
  async cancel(@CallerSource() source: string, @Param('id') id: string): Promise<JobView> {
    return this.jobs.view(await this.jobs.cancel(await this.sources.find(source), id), source);
  }

  @Post(':id/replay')
  @HttpCode(202)
  @ApiOperation({ summary: 'A new job from the kept bytes' })
  @Header('Cache-Control', 'no-store')
  async replay(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<JobView> {
    const job = await this.intake.replay(await this.job(source, id));
    return this.answers.accepted(request, response, job, source);
  }

  private async job(source: string, id: string): Promise<SyncJob> {
    return this.jobs.get(await this.sources.find(source), id);
  }

  private async *ndjsonLines(job: SyncJob): AsyncGenerator<string> {
    for await (const error of this.errorLog.all(job)) yield `${JSON.stringify(error)}\n`;
  }

  private async *csvRows(job: SyncJob): AsyncGenerator<Record<string, unknown>> {
    for await (const { data, errors, ...rest } of this.errorLog.all(job)) {
      yield { ...rest, errors: messagesOf(errors), data: JSON.stringify(data) };
    }
  }
}

/** A cell that a spreadsheet would take for a formula gets a quotation mark in front. */
const CSV = {
  header: true,
  escape_formulas: true,
  columns: ['index', 'externalId', 'status', 'code', 'errors', 'data'],
};

function messagesOf(errors: RecordErrorView['errors']): string {
  return Object.entries(errors)
    .map(([field, messages]) => `${field}: ${messages.join('; ')}`)
    .join('; ');
}
