import { applyDecorators, HttpCode, Post } from '@nestjs/common';
import { ApiHeader, ApiHideProperty, ApiOperation, ApiQuery, ApiResponse } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString } from 'class-validator';
import { Wants } from '../../http/wants.js';
import { Audited, newSubject } from '../../audit/audited.js';
import { ApplyQuery } from './apply-query.dto.js';
import { JobView } from '../jobs/job-view.js';
import { type Mode, MODES } from '../model/job-options.js';
import type { Definition } from '../../definitions/definition.js';

/** The query parameters of every upload. What the first three may be depends on the resource: {@link scopeParameters}. */
export class SubmitSnapshot extends ApplyQuery {
  @ApiHideProperty()
  @IsOptional()
  @IsIn(MODES)
  mode: Mode = 'full';

  @ApiHideProperty()
  @IsOptional()
  @IsString()
  from?: string;

  @ApiHideProperty()
  @IsOptional()
  @IsString()
  to?: string;
}

/** `POST` of a snapshot of `resource`, with its documentation. */
export function PostSnapshot(resource: Definition): MethodDecorator {
  return applyDecorators(
    Post(resource.name),
    Wants('submit'),
    HttpCode(202),
    Audited('snapshot.submitted', { subject: newSubject('job') }),
    ApiOperation({
      operationId: `submit_${resource.name}`,
      summary: `Submit a snapshot of ${resource.name}`,
      description:
        'The body is streamed and kept; 202 means that it is durable. The job then makes the mirror what the snapshot says.',
      requestBody: { required: true, content: bodies(resource.example) },
    }),
    ...scopeParameters(resource),
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

/** What the snapshot may speak for: a range only where the resource has a window. */
function scopeParameters({ fields, window }: Definition): MethodDecorator[] {
  const field = fields.find(({ name }) => name === window);
  const modes = MODES.filter((mode) => mode !== 'window' || field !== undefined);
  const ofRange = field ? `; window: what is missing of a range of ${field.name}` : '';
  const mode = ApiQuery({
    name: 'mode',
    required: false,
    enum: modes,
    schema: { type: 'string', enum: modes, default: 'full' },
    description: `full: what is missing was deleted at the source; partial: nothing was${ofRange}`,
  });
  if (!field) return [mode];
  const bound = { required: false, schema: { type: 'string' }, example: String(field.type.example) };
  const beyond = 'may lie beyond all of them, such as 10000-01-01 or 9223372036854775808';
  return [
    mode,
    ApiQuery({ name: 'from', ...bound, description: `with mode=window: the least value of ${field.name}` }),
    ApiQuery({
      name: 'to',
      ...bound,
      description: `with mode=window: the first value after those in the window; ${beyond}`,
    }),
  ];
}

/** What a body may be, each with an example that works. */
function bodies(example: Record<string, unknown>) {
  const fields = Object.entries(example).filter(([, value]) => value !== null);
  const table = [fields.map(([name]) => name), fields.map(([, value]) => String(value))];
  const record = { type: 'object', additionalProperties: true };
  return {
    'application/json': { schema: { type: 'array', items: record, example: [example] } },
    'application/x-ndjson': { schema: { type: 'string', example: `${JSON.stringify(example)}\n` } },
    'text/csv': { schema: { type: 'string', example: table.map((row) => `${row.join(',')}\n`).join('') } },
  };
}
