import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited, subjectOf } from '../platform/audited.js';
import { CallerSource } from '../platform/caller-source.js';
import { linkNextPage, type Page, PageQuery } from '../platform/paging.js';
import { Wants } from '../platform/wants.js';
import type { HistoryItem } from '../sync/changes/change.dto.js';
import { GetHistory } from '../sync/changes/get-history.js';
import { RowHistory } from '../sync/changes/row-history.js';
import type { JobView } from '../sync/jobs/job-view.js';
import { PostSnapshot, SubmitSnapshot } from '../sync/post-snapshot.js';
import { SnapshotSubmission } from '../sync/snapshot-submission.js';
import { Sources } from '../sync/sources.js';
import { PaymentQueries } from './payment-queries.js';
import { ListPayments, type PaymentView } from './payment.dto.js';
import { payments } from './payments.resource.js';

/** Takes snapshots of payments and answers queries of them. */
@ApiTags('payments')
@Controller()
export class PaymentsController {
  constructor(
    private readonly submission: SnapshotSubmission,
    private readonly queries: PaymentQueries,
    private readonly sources: Sources,
    private readonly rowHistory: RowHistory,
  ) {}

  @PostSnapshot(payments)
  submit(
    @Query() query: SubmitSnapshot,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<JobView> {
    return this.submission.submit(request, response, payments, query);
  }

  @Get('payments')
  @Wants('read')
  @Audited('payments.listed', {
    subject: filteredSubject,
    subjectOfItem: ({ patientId }: PaymentView) => `patients:${patientId}`,
  })
  @ApiOperation({ summary: 'Payments, of all patients or of one' })
  async list(
    @CallerSource() source: string,
    @Query() query: ListPayments,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<PaymentView>> {
    const { external_id: patient, payment_external_id: payment, limit, cursor } = query;
    const page = await this.queries.list(await this.sources.find(source), { patient, payment, limit, cursor });
    linkNextPage(request, response, page);
    return page;
  }

  @Get('patients/:externalId/payments')
  @Wants('read')
  @Audited('payments.listed', { subject: subjectOf('patients', 'externalId') })
  @ApiOperation({ summary: 'Payments of a live patient' })
  async listOfPatient(
    @CallerSource() source: string,
    @Param('externalId') externalId: string,
    @Query() query: PageQuery,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<PaymentView>> {
    const sourceId = await this.sources.find(source);
    const page = await this.queries.listOfPatient(sourceId, externalId, query.limit, query.cursor);
    linkNextPage(request, response, page);
    return page;
  }

  @GetHistory(payments)
  async history(
    @CallerSource() source: string,
    @Param('externalId') externalId: string,
    @Query() query: PageQuery,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<HistoryItem>> {
    const page = await this.rowHistory.page(payments, source, externalId, query);
    linkNextPage(request, response, page);
    return page;
  }
}

/** The patient or the payment to which a list is restricted, as the subject of its audit entry. */
function filteredSubject({ query }: Request): string | null {
  const { external_id: patient, payment_external_id: payment } = query;
  if (patient !== undefined) return `patients:${String(patient)}`;
  return payment === undefined ? null : `payments:${String(payment)}`;
}
