import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited, subjectOf } from '../platform/audited.js';
import { CallerSource } from '../platform/caller-source.js';
import { linkNextPage, type Page, PageQuery } from '../platform/paging.js';
import { Refusal } from '../platform/refusal.js';
import { Wants } from '../platform/wants.js';
import type { HistoryItem } from '../sync/changes/change.dto.js';
import { GetHistory } from '../sync/changes/get-history.js';
import { RowHistory } from '../sync/changes/row-history.js';
import type { JobView } from '../sync/jobs/job-view.js';
import { PostSnapshot, SubmitSnapshot } from '../sync/post-snapshot.js';
import { SnapshotSubmission } from '../sync/snapshot-submission.js';
import { Sources } from '../sync/sources.js';
import { PatientQueries } from './patient-queries.js';
import { ListPatients, PatientView } from './patient.dto.js';
import { patients } from './patients.resource.js';

/** Takes snapshots of patients and answers queries of them. */
@ApiTags('patients')
@Controller()
export class PatientsController {
  constructor(
    private readonly submission: SnapshotSubmission,
    private readonly queries: PatientQueries,
    private readonly sources: Sources,
    private readonly rowHistory: RowHistory,
  ) {}

  @PostSnapshot(patients)
  submit(
    @Query() query: SubmitSnapshot,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<JobView> {
    return this.submission.submit(request, response, patients, query);
  }

  @Get('patients')
  @Wants('read')
  @Audited('patients.listed', { soon: true, subjectOfItem: ({ externalId }: PatientView) => `patients:${externalId}` })
  @ApiOperation({ summary: 'Patients by the total of their payments' })
  async list(
    @CallerSource() source: string,
    @Query() query: ListPatients,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<PatientView>> {
    const paymentMin = eitherSpelling('payment_min', query.payment_min, query.payments_min);
    const paymentMax = eitherSpelling('payment_max', query.payment_max, query.payments_max);
    if (paymentMin !== undefined && paymentMax !== undefined && compareDecimals(paymentMin, paymentMax) > 0) {
      throw Refusal.parameter('payment_min', 'payment_min is greater than payment_max.', 'empty_range');
    }
    const { q, sort, limit, cursor } = query;
    const filter = { q, sort, limit, cursor, paymentMin, paymentMax };
    const page = await this.queries.list(await this.sources.find(source), filter);
    linkNextPage(request, response, page);
    return page;
  }

  @Get('patients/:externalId')
  @Wants('read')
  @Audited('patients.read', { subject: subjectOf('patients', 'externalId') })
  @ApiOperation({ summary: 'A live patient' })
  @ApiResponse({ status: 200, type: PatientView })
  async get(@CallerSource() source: string, @Param('externalId') externalId: string): Promise<PatientView> {
    return this.queries.get(await this.sources.find(source), externalId);
  }

  @GetHistory(patients)
  async history(
    @CallerSource() source: string,
    @Param('externalId') externalId: string,
    @Query() query: PageQuery,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<HistoryItem>> {
    const page = await this.rowHistory.page(patients, source, externalId, query);
    linkNextPage(request, response, page);
    return page;
  }
}

/** The value of a parameter that has two spellings. @throws Refusal 400 if both are given and differ */
function eitherSpelling(name: string, one?: string, other?: string): string | undefined {
  if (one !== undefined && other !== undefined && compareDecimals(one, other) !== 0) {
    throw Refusal.parameter(name, `${name} and its other spelling have different values.`, 'conflicting_parameters');
  }
  return one ?? other;
}

/** Compares plain decimals of up to 24 places exactly. */
function compareDecimals(one: string, other: string): number {
  const [a, b] = [scaled(one), scaled(other)];
  return a < b ? -1 : Number(a > b);
}

function scaled(decimal: string): bigint {
  const [whole = '', fraction = ''] = decimal.split('.');
  return BigInt(whole.replace('-', '') + fraction.padEnd(24, '0')) * (decimal.startsWith('-') ? -1n : 1n);
}
