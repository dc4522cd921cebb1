import { createParamDecorator, type ExecutionContext, Injectable, type PipeTransform } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import type { Request } from 'express';
import { callerSource } from '../../http/caller-source.js';
import { Sources } from '../sources/sources.js';
import type { SyncJob } from '../model/sync-job.entity.js';
import { SyncJobs } from '../jobs/sync-jobs.js';

/** What a request says of a job: the name of the caller's source, and the id in the path. */
interface JobKey {
  source: string;
  id: string;
}

@Injectable()
class FindJob implements PipeTransform<JobKey, Promise<SyncJob>> {
  constructor(
    private readonly jobs: SyncJobs,
    private readonly sources: Sources,
  ) {}

  async transform({ source, id }: JobKey): Promise<SyncJob> {
    return this.jobs.get(await this.sources.find(source), id);
  }
}

const JobKeyOf = createParamDecorator(
  (_: unknown, context: ExecutionContext): JobKey => {
    const request = context.switchToHttp().getRequest<Request<{ id: string }>>();
    return { source: callerSource(request), id: request.params.id };
  },
  [documentId],
);

/** Nest's own `@Param('id')` would do this for the OpenAPI document. */
function documentId(controller: object, handler: string | symbol | undefined): void {
  if (handler === undefined) return;
  const descriptor = Object.getOwnPropertyDescriptor(controller, handler);
  if (descriptor) ApiParam({ name: 'id', type: String })(controller, handler, descriptor);
}

/**
 * The job whose id is `:id` in the path, as a parameter of a handler. A job of another source than the caller's is a 404,
 * as if it did not exist.
 */
export const RequestedJob = (): ParameterDecorator => JobKeyOf(FindJob);
