import { BullModule } from '@nestjs/bullmq';
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import type { Config } from '../platform/config.js';
import { SnapshotIntake } from './intake/snapshot-intake.js';
import { SnapshotStore } from './intake/snapshot-store.js';
import { Cleaner } from './cleaner.js';
import { JobAnswers } from './jobs/job-answers.js';
import { JobClaims } from './jobs/job-claims.js';
import { JobQueue, SYNC_QUEUE } from './jobs/job-queue.js';
import { JobRescuer } from './jobs/job-rescuer.js';
import { JobRunner } from './jobs/job-runner.js';
import { JobWatcher } from './jobs/job-watcher.js';
import { JobContentsController } from './jobs/job-contents.controller.js';
import { JobDecisionsController } from './jobs/job-decisions.controller.js';
import { JobsController } from './jobs/jobs.controller.js';
import { RecordErrorLog } from './jobs/record-error-log.js';
import { SyncJobs } from './jobs/sync-jobs.js';
import { SyncProcessor } from './jobs/sync.processor.js';
import { type MirroredResource, MirroredResources } from './mirrored-resource.js';
import { Stager } from './read/stager.js';
import { Reconciler } from './reconcile/reconciler.js';
import { SnapshotSubmission } from './snapshot-submission.js';
import { Sources } from './sources.js';

/** What both sides need. */
const SHARED: Provider[] = [SnapshotStore, Sources, JobQueue];

/** What answers callers. */
const API: Provider[] = [SnapshotIntake, SnapshotSubmission, SyncJobs, JobAnswers, JobWatcher, RecordErrorLog];

/** What does the work. */
const WORKER: Provider[] = [JobClaims, JobRunner, Stager, Reconciler, SyncProcessor, JobRescuer, Cleaner];

/** The engine. It names no resource: it is given their definitions. */
@Module({})
export class SyncModule {
  static forRole(role: Config['ROLE'], definitions: readonly MirroredResource[]): DynamicModule {
    const resources = { provide: MirroredResources, useValue: new MirroredResources(definitions) };
    const providers = [resources, ...SHARED, ...(role === 'worker' ? [] : API), ...(role === 'api' ? [] : WORKER)];
    return {
      module: SyncModule,
      global: true,
      imports: [BullModule.registerQueue({ name: SYNC_QUEUE })],
      controllers: role === 'worker' ? [] : [JobsController, JobContentsController, JobDecisionsController],
      providers,
      exports: providers,
    };
  }
}
