import { applyDecorators, HttpCode, Post } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiHeader, ApiOperation, ApiPropertyOptional, ApiResponse } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { JobView } from './jobs/job-view.js';
import { DELETE_POLICIES, type DeletePolicy, type Mode, MODES } from './jobs/sync-job.entity.js';
import type { MirroredResource } from './mirrored-resource.js';

/** The query parameters of every upload. */
export class SubmitSnapshot {
  @ApiPropertyOptional({ enum: MODES, default: 'full', description: 'full: what is missing was deleted at the source' })
  @IsOptional()
  @IsIn(MODES)
  mode: Mode = 'full';

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

/** `POST` of a snapshot of `resource`, with its documentation. */
export function PostSnapshot(resource: MirroredResource): MethodDecorator {
  return applyDecorators(
    Post(resource.name),
    HttpCode(202),
    ApiOperation({
      summary: `Submit a snapshot of ${resource.name}`,
      description:
        'The body is streamed and kept; 202 means that it is durable. The job then makes the mirror what the snapshot says.',
    }),
    ApiConsumes('application/json', 'application/x-ndjson', 'text/csv'),
    ApiBody({
      schema: { type: 'array', items: { type: 'object', additionalProperties: true }, example: [resource.example] },
    }),
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description: 'the same key and request: the same job again',
    }),
    ApiHeader({ name: 'Content-Digest', required: false, description: 'sha-256=:base64: of the body (RFC 9530)' }),
    ApiHeader({
      name: 'Prefer',
      required: false,
      description: 'wait=10: wait up to so many seconds for the end of the job',
    }),
    ApiResponse({ status: 202, description: 'accepted', type: JobView }),
    ApiResponse({ status: 200, description: 'finished within the time of Prefer: wait', type: JobView }),
  );
}
