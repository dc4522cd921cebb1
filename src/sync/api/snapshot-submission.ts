import { Inject, Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { callerSource } from '../../http/caller-source.js';
import { CONFIG, type Config } from '../../settings/config.js';
import { withinSource } from '../../database/source-isolation.js';
import { incomingSnapshot, uploadPace } from '../intake/incoming-snapshot.js';
import { SnapshotIntake } from '../intake/snapshot-intake.js';
import { UploadSlots } from '../intake/upload-slots.js';
import { JobAnswers } from './job-answers.js';
import type { JobView } from '../jobs/job-view.js';
import type { Definition } from '../../definitions/definition.js';
import { readWindow, type Window } from '../../definitions/window.js';
import { Refusal } from '../../http/refusal.js';
import type { SubmitSnapshot } from './post-snapshot.js';

/** @throws Refusal 400 for bounds without a window, and a window without good bounds */
function windowOf(resource: Definition, { mode, from, to }: SubmitSnapshot): Window | null {
  if (mode === 'window') return readWindow(resource, from, to);
  const [bound] = Object.entries({ from, to }).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (bound === undefined) return null;
  throw Refusal.parameter(bound, `${bound} belongs to mode=window, and the mode is ${mode}.`);
}

/** A snapshot's upload over HTTP, the same for every resource. */
@Injectable()
export class SnapshotSubmission {
  constructor(
    private readonly intake: SnapshotIntake,
    private readonly slots: UploadSlots,
    private readonly answers: JobAnswers,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** @throws Refusal 400, 408, 413, 415, 422 or 429 */
  async submit(request: Request, response: Response, resource: Definition, query: SubmitSnapshot): Promise<JobView> {
    const source = callerSource(request);
    const { mode, deletes } = query;
    const window = windowOf(resource, query);
    const options = { mode, window, deletes, dryRun: query.dryRun === 'true', pace: uploadPace(this.config) };
    const incoming = incomingSnapshot(request, resource, source, options);
    const job = await this.slots.hold(source, (sourceId) => this.intake.accept(incoming, sourceId));
    return withinSource(job.sourceId, () => this.answers.accepted(request, response, job, source));
  }
}
