import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Audited, subjectOf, recordOutcome } from '../../audit/audited.js';
import { answerPageOrExport } from '../../audit/exports.js';
import { PageQuery } from '../../http/paging.js';
import { Refusal } from '../../http/refusal.js';
import { Wants } from '../../http/wants.js';
import { SnapshotStore } from '../snapshots/snapshot-store.js';
import { RecordErrorLog, type RecordErrorView } from '../jobs/record-error-log.js';
import { RequestedJob } from './requested-job.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import { SyncJobs } from '../jobs/sync-jobs.js';

/** The snapshot that a job was given, and the errors that it found in it. */
@ApiTags('sync jobs')
@Wants('read')
@Controller('sync/jobs')
export class JobContentsController {
  constructor(
    private readonly jobs: SyncJobs,
    private readonly errorLog: RecordErrorLog,
    private readonly store: SnapshotStore,
  ) {}

  @Get(':id/errors')
  @Audited('job.errors_read', { subject: subjectOf('job'), exported: 'job.errors_exported' })
  @ApiOperation({ summary: 'The records that were rejected or are unresolved, in the order of the snapshot' })
  @ApiProduces('application/json', 'application/x-ndjson', 'text/csv')
  async errors(
    @RequestedJob() job: SyncJob,
    @Query() query: PageQuery,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await answerPageOrExport(request, response, {
      page: () => this.errorLog.page(job, query.limit, query.cursor),
      mayBegin: async () => void (await this.errorLog.page(job, 1)),
      all: () => this.errorLog.all(job),
      csvColumns: ['index', 'externalId', 'status', 'code', 'errors', 'data'],
      toCells: ({ data, errors, ...rest }) => ({ ...rest, errors: messagesOf(errors), data: JSON.stringify(data) }),
    });
  }

  @Get(':id/snapshot')
  @Audited('job.snapshot_read', { subject: subjectOf('job') })
  @ApiOperation({ summary: 'The bytes as they were sent' })
  @ApiProduces('application/octet-stream')
  async snapshot(@RequestedJob() job: SyncJob, @Res() response: Response): Promise<void> {
    const snapshot = await this.jobs.snapshotOf(job);
    if (!snapshot) throw Refusal.notFound('snapshot');
    if (snapshot.purgedAt) throw new Refusal(410, 'snapshot_gone', 'The bytes of this snapshot are no longer kept.');
    await recordOutcome(response);
    // Not by Express, which would add a charset.
    response.setHeader('Content-Type', snapshot.contentType);
    response.set('Content-Length', String(snapshot.bytes));
    response.set('Repr-Digest', `sha-256=:${Buffer.from(snapshot.sha256, 'hex').toString('base64')}:`);
    if (snapshot.contentEncoding !== null) response.set('Content-Encoding', snapshot.contentEncoding);
    await pipeline(Readable.from(this.store.asSent(snapshot)), response);
  }
}

function messagesOf(errors: RecordErrorView['errors']): string {
  return Object.entries(errors)
    .map(([field, messages]) => `${field}: ${messages.join('; ')}`)
    .join('; ');
}
