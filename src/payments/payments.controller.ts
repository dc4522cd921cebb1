import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited, subjectOf } from '../audit/audited.js';
import { CallerSource } from '../http/caller-source.js';
import { linkNextPage, type Page, PageQuery } from '../http/paging.js';
import { Wants } from '../http/wants.js';
import { ApiPage } from '../http/api-page.js';
import { MirrorLists, type RowView } from '../sync/lists/mirror-lists.js';
import { Sources } from '../sync/sources/sources.js';
import { conditionsOf, ListPayments, PaymentView } from './payment.dto.js';

/** Lists payments by the parameters that the challenge names. What every resource has comes from the definition. */
@ApiTags('payments')
@Controller()
export class PaymentsController {
  constructor(
    private readonly lists: MirrorLists,
    private readonly sources: Sources,
  ) {}

  @Get('payments')
  @Wants('read')
  @Audited('payments.listed', {
    subject: filteredSubject,
    subjectOfItem: ({ patientId }: PaymentView) => `patients:${patientId}`,
  })
  @ApiOperation({ summary: 'Payments, of all patients or of one' })
  @ApiPage(PaymentView)
  async list(
    @CallerSource() source: string,
    @Query() query: ListPayments,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<RowView>> {
    const page = await this.page(await this.sources.find(source), query, conditionsOf(query));
    linkNextPage(request, response, page);
    return page;
  }

  @Get('patients/:externalId/payments')
  @Wants('read')
  @Audited('payments.listed', { subject: subjectOf('patients', 'externalId') })
  @ApiOperation({ summary: 'Payments of a live patient' })
  @ApiPage(PaymentView)
  async listOfPatient(
    @CallerSource() source: string,
    @Param('externalId') externalId: string,
    @Query() query: PageQuery,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<RowView>> {
    const sourceId = await this.sources.find(source);
    await this.lists.get('patients', sourceId, externalId);
    const page = await this.page(sourceId, query, conditionsOf({ external_id: externalId }));
    linkNextPage(request, response, page);
    return page;
  }

  private page(
    sourceId: number,
    { limit, cursor }: PageQuery,
    conditions: ReturnType<typeof conditionsOf>,
  ): Promise<Page<RowView>> {
    return this.lists.list('payments', sourceId, { conditions, search: null, sort: null, limit, cursor });
  }
}

/** The patient or the payment to which a list is restricted, as the subject of its audit entry. */
function filteredSubject({ query }: Request): string | null {
  const { external_id: patient, payment_external_id: payment } = query;
  if (patient !== undefined) return `patients:${String(patient)}`;
  return payment === undefined ? null : `payments:${String(payment)}`;
}
