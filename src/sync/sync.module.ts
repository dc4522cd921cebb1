import { BullModule } from '@nestjs/bullmq';
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { Definitions } from '../definitions/definitions.js';
import type { Config } from '../platform/config.js';
import { answersCallers, worksOnJobs } from '../platform/process-role.js';
import { withTask } from '../platform/periodic-task.js';
import { AppliedChanges } from './changes/applied-changes.js';
import { ChangeFeed } from './changes/change-feed.js';
import { ChangeFeedController } from './changes/change-feed.controller.js';
import { CommitWatcher } from './changes/commit-watcher.js';
import { FeedPages } from './changes/feed-pages.js';
import { JobChanges } from './changes/job-changes.js';
import { KeptPlans } from './changes/kept-plans.js';
import { JobChangesController } from './changes/job-changes.controller.js';
import { MirrorChanges } from './changes/mirror-changes.js';
import { RowHistory } from './changes/row-history.js';
import { SnapshotIntake } from './intake/snapshot-intake.js';
import { SnapshotStore } from './intake/snapshot-store.js';
import { StoredBytes } from './intake/stored-bytes.js';
import { UploadSlots } from './intake/upload-slots.js';
import { Cleaner } from './cleaner.js';
import { AppliedDefinitions } from './jobs/applied-definitions.js';
import { JobAnswers } from './jobs/job-answers.js';
import { JobLeases } from './jobs/job-leases.js';
import { JobQueue } from './jobs/job-queue.js';
import { JobRescuer } from './jobs/job-rescuer.js';
import { JobRunner } from './jobs/job-runner.js';
import { JobWork } from './jobs/job-work.js';
import { JobWatcher } from './jobs/job-watcher.js';
import { JobContentsController } from './jobs/job-contents.controller.js';
import { JobDecisionsController } from './jobs/job-decisions.controller.js';
import { JobsController } from './jobs/jobs.controller.js';
import { SYNC_QUEUES } from './jobs/sync-queues.js';
import { RecordErrorLog } from './jobs/record-error-log.js';
import { Reverts } from './jobs/reverts.js';
import { RunningJobs } from './jobs/running-jobs.js';
import { SyncJobs } from './jobs/sync-jobs.js';
import { ShortSyncProcessor, SyncProcessor } from './jobs/sync.processor.js';
import { MirrorLists } from './lists/mirror-lists.js';
import { LogHorizons } from './log-horizons.js';
import { Stager } from './read/stager.js';
import { MirrorTables } from './reconcile/mirror-table.js';
import { MirrorLocks } from './reconcile/mirror-locks.js';
import { Reconciler } from './reconcile/reconciler.js';
import { SnapshotSubmission } from './snapshot-submission.js';
import { Sources } from './sources.js';
import { WithinSource } from './within-source.interceptor.js';

/** What both sides need. */
const SHARED: Provider[] = [SnapshotStore, Sources, JobQueue];

/** What answers callers. */
const API: Provider[] = [
  SnapshotIntake,
  StoredBytes,
  UploadSlots,
  Reverts,
  SnapshotSubmission,
  SyncJobs,
  MirrorLists,
  JobAnswers,
  JobWatcher,
  RecordErrorLog,
];

/** What reports changes to callers. */
const CHANGES: Provider[] = [
  LogHorizons,
  MirrorChanges,
  JobChanges,
  KeptPlans,
  RowHistory,
  AppliedChanges,
  FeedPages,
  CommitWatcher,
  ChangeFeed,
];

/** What does the work. */
const WORKER: Provider[] = [
  JobLeases,
  RunningJobs,
  JobRunner,
  JobWork,
  AppliedDefinitions,
  Stager,
  MirrorLocks,
  Reconciler,
  SyncProcessor,
  ShortSyncProcessor,
  ...withTask(JobRescuer),
  ...withTask(Cleaner),
];

const CONTROLLERS = [
  JobsController,
  JobContentsController,
  JobDecisionsController,
  JobChangesController,
  ChangeFeedController,
];

/** The engine. It names no resource: it is given their definitions. */
@Module({})
export class SyncModule {
  static forRole(role: Config['ROLE'], definitions: Definitions, tables: MirrorTables): DynamicModule {
    const resources = [
      { provide: Definitions, useValue: definitions },
      { provide: MirrorTables, useValue: tables },
    ];
    const api = answersCallers(role) ? [...API, ...CHANGES] : [];
    const providers = [...resources, ...SHARED, ...api, ...(worksOnJobs(role) ? WORKER : [])];
    return {
      module: SyncModule,
      global: true,
      imports: [BullModule.registerQueue(...Object.values(SYNC_QUEUES).map((name) => ({ name })))],
      controllers: answersCallers(role) ? CONTROLLERS : [],
      providers: [...providers, { provide: APP_INTERCEPTOR, useClass: WithinSource }],
      exports: providers,
    };
  }
}
