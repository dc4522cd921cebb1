import { Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited, newSubject, subjectOf } from '../audit/audited.js';
import { CallerSource } from '../http/caller-source.js';
import { MAX_KEY_CHARACTERS } from '../http/idempotency-key.js';
import { linkNextPage, type Page } from '../http/paging.js';
import { Wants } from '../http/wants.js';
import { Sources } from '../sync/sources/sources.js';
import { ClaimIntake } from './claim-intake.js';
import { ClaimQueries } from './claim-queries.js';
import { type ClaimSummary, ClaimView, StoredClaim } from './claim-view.js';
import { ListClaims } from './claim.dto.js';
import { CLAIM_BODIES } from './claim-example.js';

/** Takes one dental claim of one or more lines at a time, and lists and shows stored claims. */
@ApiTags('claims')
@Controller('claims')
export class ClaimsController {
  constructor(
    private readonly intake: ClaimIntake,
    private readonly queries: ClaimQueries,
    private readonly sources: Sources,
  ) {}

  @Post()
  @Wants('submit')
  @Audited('claim.submitted', { subject: newSubject('claim') })
  @HttpCode(200)
  @ApiOperation({
    summary: 'Submit a claim',
    description:
      'A JSON list of lines, an object with lines, a single line, or a CSV table. With an external_claim_id or an Idempotency-Key the same claim can safely be sent again.',
    requestBody: { required: true, content: CLAIM_BODIES },
  })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    schema: { type: 'string', maxLength: MAX_KEY_CHARACTERS },
    description: 'a repeat with the same key and claim is answered with the stored claim',
  })
  @ApiHeader({
    name: 'Content-Digest',
    required: false,
    description: 'sha-256=:base64: of the body as sent (RFC 9530)',
  })
  @ApiResponse({ status: 200, description: 'stored now or before', type: StoredClaim })
  @ApiResponse({ status: 400, description: 'the body cannot be read, or a header is invalid' })
  @ApiResponse({ status: 409, description: 'another claim has this external_claim_id' })
  @ApiResponse({ status: 413, description: 'too many bytes' })
  @ApiResponse({ status: 415, description: 'unsupported Content-Type or Content-Encoding' })
  @ApiResponse({
    status: 422,
    description:
      'the claim has faults, which are all listed, and is not stored; or the Idempotency-Key was used for another claim',
  })
  @ApiResponse({ status: 429, description: 'other claims of the source take up too much memory, or a rate limit' })
  @ApiResponse({ status: 503, description: 'other claims take up too much memory, or the database is unavailable' })
  submit(@CallerSource() source: string, @Req() request: Request): Promise<StoredClaim> {
    return this.intake.accept(request, source);
  }

  @Get()
  @Wants('read')
  @Audited('claims.listed', { soon: true })
  @ApiOperation({ summary: 'Claims, newest first' })
  async list(
    @CallerSource() source: string,
    @Query() query: ListClaims,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Page<ClaimSummary>> {
    const page = await this.queries.list(await this.sources.find(source), query);
    linkNextPage(request, response, page);
    return page;
  }

  @Get(':id')
  @Wants('read')
  @Audited('claim.read', { subject: subjectOf('claim') })
  @ApiOperation({ summary: 'A claim with its lines' })
  @ApiResponse({ status: 200, type: ClaimView })
  async get(@CallerSource() source: string, @Param('id') id: string): Promise<ClaimView> {
    return this.queries.get(await this.sources.find(source), id);
  }
}
