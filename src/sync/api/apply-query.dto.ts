import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { DELETE_POLICIES, type DeletePolicy } from '../model/job-options.js';

/** How a job is to be applied: the query parameters that uploads and reverts share. */
export class ApplyQuery {
  @ApiPropertyOptional({
    enum: DELETE_POLICIES,
    default: 'auto',
    description: 'auto: many deletions wait for approval; apply: never; hold: any deletion does',
  })
  @IsOptional()
  @IsIn(DELETE_POLICIES)
  deletes: DeletePolicy = 'auto';

  @ApiPropertyOptional({ enum: ['true', 'false'], default: 'false', description: 'everything but the writing' })
  @IsOptional()
  @IsIn(['true', 'false'])
  dryRun: 'true' | 'false' = 'false';
}
