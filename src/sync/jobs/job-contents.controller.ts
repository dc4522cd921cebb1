import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { stringify } from 'csv-stringify';
import type { Request, Response } from 'express';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CallerSource } from '../../platform/caller-source.js';
import { linkNextPage, PageQuery } from '../../platform/paging.js';
import { Refusal } from '../../platform/refusal.js';
import { SnapshotStore } from '../intake/snapshot-store.js';
import { Sources } from '../sources.js';
import { RecordErrorLog, type RecordErrorView } from './record-error-log.js';
import type { SyncJob } from './sync-job.entity.js';
import { SyncJobs } from './sync-jobs.js';

/** What a job was given and what it found wrong with it. */
@ApiTags('sync jobs')
@Controller('sync/jobs')
export class JobContentsController {
  constructor(
    private readonly jobs: SyncJobs,
    private readonly errorLog: RecordErrorLog,
    private readonly store: SnapshotStore,
    private readonly sources: Sources,
  ) {}

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
