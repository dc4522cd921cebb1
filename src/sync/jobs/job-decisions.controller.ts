import { Controller, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { CallerSource } from '../../platform/caller-source.js';
import { SnapshotIntake } from '../intake/snapshot-intake.js';
import { Sources } from '../sources.js';
import { JobAnswers } from './job-answers.js';
import { JobView } from './job-view.js';
import { SyncJobs } from './sync-jobs.js';

/** What somebody decides about a job. A decision in the wrong state is a 409. */
@ApiTags('sync jobs')
@Controller('sync/jobs')
export class JobDecisionsController {
  constructor(
    private readonly jobs: SyncJobs,
    private readonly answers: JobAnswers,
    private readonly intake: SnapshotIntake,
    private readonly sources: Sources,
  ) {}

  @Post(':id/approve')
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
  @HttpCode(200)
  @ApiOperation({ summary: 'Drop the plan that was shown' })
  async reject(@CallerSource() source: string, @Param('id') id: string): Promise<JobView> {
    return this.jobs.view(await this.jobs.reject(await this.sources.find(source), id), source);
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @ApiOperation({ summary: 'Stop a job that has not begun to change the mirror' })
  async cancel(@CallerSource() source: string, @Param('id') id: string): Promise<JobView> {
    return this.jobs.view(await this.jobs.cancel(await this.sources.find(source), id), source);
  }

  @Post(':id/replay')
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
