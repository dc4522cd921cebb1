import { Controller, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Audited, subjectOf } from '../../audit/audited.js';
import { CallerSource } from '../../http/caller-source.js';
import { Wants } from '../../http/wants.js';
import { ApplyQuery } from './apply-query.dto.js';
import { SnapshotIntake } from '../intake/snapshot-intake.js';
import { JobAnswers } from './job-answers.js';
import { JobView } from '../jobs/job-view.js';
import { RequestedJob } from './requested-job.js';
import { Reverts } from '../jobs/reverts.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import { SyncJobs } from '../jobs/sync-jobs.js';

/** Decisions about a job. A decision in the wrong state is a 409. */
@ApiTags('sync jobs')
@Controller('sync/jobs')
export class JobDecisionsController {
  constructor(
    private readonly jobs: SyncJobs,
    private readonly answers: JobAnswers,
    private readonly intake: SnapshotIntake,
    private readonly reverts: Reverts,
  ) {}

  @Post(':id/approve')
  @Wants('approve')
  @Audited('job.approved', { subject: subjectOf('job') })
  @HttpCode(200)
  @ApiOperation({ summary: 'Apply exactly the plan that was shown' })
  async approve(
    @CallerSource() source: string,
    @RequestedJob() job: SyncJob,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<JobView> {
    return this.answers.current(request, response, await this.jobs.approve(job), source);
  }

  @Post(':id/reject')
  @Wants('approve')
  @Audited('job.rejected', { subject: subjectOf('job') })
  @HttpCode(200)
  @ApiOperation({ summary: 'Drop the plan that was shown' })
  async reject(@CallerSource() source: string, @RequestedJob() job: SyncJob): Promise<JobView> {
    return this.jobs.view(await this.jobs.reject(job), source);
  }

  @Post(':id/cancel')
  @Wants('submit')
  @Audited('job.cancelled', { subject: subjectOf('job') })
  @HttpCode(200)
  @ApiOperation({ summary: 'Stop a job that has not begun to change the mirror' })
  async cancel(@CallerSource() source: string, @RequestedJob() job: SyncJob): Promise<JobView> {
    return this.jobs.view(await this.jobs.cancel(job), source);
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
    @RequestedJob() job: SyncJob,
    @Query() { deletes, dryRun }: ApplyQuery,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<JobView> {
    const revert = await this.reverts.revert(job, { deletes, dryRun: dryRun === 'true' });
    return this.answers.accepted(request, response, revert, source);
  }

  @Post(':id/replay')
  @Wants('submit')
  @Audited('job.replayed', { subject: subjectOf('job') })
  @HttpCode(202)
  @ApiOperation({ summary: 'A new job from the kept bytes' })
  async replay(
    @CallerSource() source: string,
    @RequestedJob() job: SyncJob,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<JobView> {
    return this.answers.accepted(request, response, await this.intake.replay(job), source);
  }
}
