import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited } from './audited.js';
import { callerOf } from '../http/caller.js';
import { answerPageOrExport } from './exports.js';
import { Wants } from '../http/wants.js';
import { ApiPage } from '../http/api-page.js';
import { AuditQueries } from './audit-queries.js';
import { AuditView, ListAudit } from './audit.dto.js';

const CSV_COLUMNS: (keyof AuditView)[] = [
  'seq',
  'at',
  'actor',
  'keyId',
  'source',
  'action',
  'subject',
  'items',
  'address',
  'requestId',
  'outcome',
  'status',
  'hash',
];

/** The audit log. A key of one source sees the entries of that source only. */
@ApiTags('audit')
@Controller('audit')
export class AuditController {
  constructor(private readonly queries: AuditQueries) {}

  @Get()
  @Wants('ops')
  @Audited('audit.read', { exported: 'audit.exported' })
  @ApiOperation({ summary: 'Who did what, and who read about whom, newest first' })
  @ApiPage(AuditView)
  @ApiProduces('application/json', 'application/x-ndjson', 'text/csv')
  async list(@Query() query: ListAudit, @Req() request: Request, @Res() response: Response): Promise<void> {
    const { limit, cursor, ...wanted } = query;
    const filter = { ...wanted, onlySource: callerOf(request).source ?? undefined };
    await answerPageOrExport(request, response, {
      page: () => this.queries.page(filter, limit, cursor),
      all: () => this.queries.all(filter),
      csvColumns: CSV_COLUMNS,
      toCells: (entry) => ({ ...entry }),
    });
  }
}
