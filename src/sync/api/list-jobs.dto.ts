import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, Matches } from 'class-validator';
import { PageQuery } from '../../http/paging.js';
import { JOB_STATUSES, type JobStatus } from '../model/job-options.js';

/** Which jobs to list. */
export class ListJobs extends PageQuery {
  @ApiPropertyOptional({ example: 'patients' })
  @IsOptional()
  @Matches(/^[a-z][a-z0-9-]{0,39}$/)
  resource?: string;

  @ApiPropertyOptional({ enum: JOB_STATUSES })
  @IsOptional()
  @IsIn(JOB_STATUSES)
  status?: JobStatus;

  @ApiPropertyOptional({ example: 'default' })
  @IsOptional()
  @Matches(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/)
  source?: string;
}
