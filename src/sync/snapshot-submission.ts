import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { callerSource } from '../platform/caller-source.js';
import { incomingSnapshot } from './intake/incoming-snapshot.js';
import { SnapshotIntake } from './intake/snapshot-intake.js';
import { JobAnswers } from './jobs/job-answers.js';
import type { JobView } from './jobs/job-view.js';
import type { MirroredResource } from './mirrored-resource.js';
import type { SubmitSnapshot } from './post-snapshot.js';

/** A snapshot's upload over HTTP, the same for every resource. */
@Injectable()
export class SnapshotSubmission {
  constructor(
    private readonly intake: SnapshotIntake,
    private readonly answers: JobAnswers,
  ) {}

  /** @throws Refusal 400, 413, 415, 422 or 429 */
  async submit(
    request: Request,
    response: Response,
    resource: MirroredResource,
    query: SubmitSnapshot,
  ): Promise<JobView> {
    const source = callerSource(request);
    const options = { mode: query.mode, deletes: query.deletes, dryRun: query.dryRun === 'true' };
    const job = await this.intake.accept(incomingSnapshot(request, resource, source, options));
    return this.answers.accepted(request, response, job, source);
  }
}
