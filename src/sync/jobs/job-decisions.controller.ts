import { Controller, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited, subjectOf } from '../../platform/audited.js';
import { CallerSource } from '../../platform/caller-source.js';
import { Wants } from '../../platform/wants.js';
import { ApplyQuery } from '../apply-query.dto.js';
import { SnapshotIntake } from '../intake/snapshot-intake.js';
import { Sources } from '../sources.js';
import { JobAnswers } from './job-answers.js';
import { JobView } from './job-view.js';
import { Reverts } from './reverts.js';
import { SyncJobs } from './sync-jobs.js';

/** Decisions about a job. A decision in the wrong state is a 409. */
@ApiTags('sync jobs')
@Controller('sync/jobs')
export class JobDecisionsController {
  constructor(
    private readonly jobs: SyncJobs,
    private readonly answers: JobAnswers,
    private readonly intake: SnapshotIntake,
    private readonly reverts: Reverts,
    private readonly sources: Sources,
  ) {}

  @Post(':id/approve')
  @Wants('approve')
  @Audited('job.approved', { subject: subjectOf('job') })
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
  @Wants('approve')
  @Audited('job.rejected', { subject: subjectOf('job') })
  @HttpCode(200)
  @ApiOperation({ summary: 'Drop the plan that was shown' })
  async reject(@CallerSource() source: string, @Param('id') id: string): Promise<JobView> {
    return this.jobs.view(await this.jobs.reject(await this.sources.find(source), id), source);
  }

  @Post(':id/cancel')
  @Wants('submit')
  @Audited('job.cancelled', { subject: subjectOf('job') })
  @HttpCode(200)
  @ApiOperation({ summary: 'Stop a job that has not begun to change the mirror' })
  async cancel(@CallerSource() source: string, @Param('id') id: string): Promise<JobView> {
    return this.jobs.view(await this.jobs.cancel(await this.sources.find(source), id), source);
  }

  @Post(':id/revert')
  @Wants('submit')
  @Audited('job.reverted', { subject: subjectOf('job') })
  @HttpCode(202)
  @ApiOperation({ summary: 'A new job that puts back what this one changed' })
  @ApiResponse({ status: 202, type: JobView })
  @ApiResponse({ status: 409, description: 'it changed nothing, or later jobs have changed the same rows' })
  @ApiResponse({ status: 410, description: 'the earlier values of the rows are no longer kept' })
  async revert(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Query() { deletes, dryRun }: ApplyQuery,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<JobView> {
    const original = await this.jobs.get(await this.sources.find(source), id);
    const job = await this.reverts.revert(original, { deletes, dryRun: dryRun === 'true' });
    return this.answers.accepted(request, response, job, source);
  }

  @Post(':id/replay')
  @Wants('submit')
  @Audited('job.replayed', { subject: subjectOf('job') })
  @HttpCode(202)
  @ApiOperation({ summary: 'A new job from the kept bytes' })
  async replay(
    @CallerSource() source: string,
    @Param('id') id: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<JobView> {
    const job = await this.intake.replay(await this.jobs.get(await this.sources.find(source), id));
    return this.answers.accepted(request, response, job, source);
  }
}
