import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited } from '../audit/audited.js';
import { CallerSource } from '../http/caller-source.js';
import { linkNextPage, type Page } from '../http/paging.js';
import { Wants } from '../http/wants.js';
import { ApiPage } from '../http/api-page.js';
import { Sources } from '../sync/sources/sources.js';
import { PatientQueries } from './patient-queries.js';
import { ListPatients, PatientView, totalsBetween } from './patient.dto.js';

/** Lists patients by the total of their payments. What every resource has comes from the definition. */
@ApiTags('patients')
@Controller()
export class PatientsController {
  constructor(
    private readonly queries: PatientQueries,
    private readonly sources: Sources,
  ) {}

  @Get('patients')
  @Wants('read')
  @Audited('patients.listed', { soon: true, subjectOfItem: ({ externalId }: PatientView) => `patients:${externalId}` })
  @ApiOperation({ summary: 'Patients by the total of their payments' })
  @ApiPage(PatientView)
  async list(
    @CallerSource() source: string,
    @Query() query: ListPatients,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<PatientView>> {
    const { q, sort, limit, cursor } = query;
    const filter = { q, sort, limit, cursor, ...totalsBetween(query) };
    const page = await this.queries.list(await this.sources.find(source), filter);
    linkNextPage(request, response, page);
    return page;
  }
}
