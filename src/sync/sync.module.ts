import { BullModule } from '@nestjs/bullmq';
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { Definitions } from '../definitions/definitions.js';
import type { Config } from '../settings/config.js';
import { answersCallers, worksOnJobs } from '../settings/process-role.js';
import { withTask } from '../runtime/periodic-task.js';
import { AppliedChanges } from './changes/applied-changes.js';
import { ChangeFeed } from './changes/change-feed.js';
import { ChangeFeedController } from './api/change-feed.controller.js';
import { CommitWatcher } from './changes/commit-watcher.js';
import { FeedPages } from './changes/feed-pages.js';
import { JobChanges } from './changes/job-changes.js';
import { KeptPlans } from './changes/kept-plans.js';
import { JobChangesController } from './api/job-changes.controller.js';
import { MirrorChanges } from './changes/mirror-changes.js';
import { RowHistory } from './changes/row-history.js';
import { SnapshotIntake } from './intake/snapshot-intake.js';
import { SnapshotStore } from './snapshots/snapshot-store.js';
import { StoredBytes } from './snapshots/stored-bytes.js';
import { UploadSlots } from './intake/upload-slots.js';
import { Cleaner } from './cleaner.js';
import { AppliedDefinitions } from './leases/applied-definitions.js';
import { JobAnswers } from './api/job-answers.js';
import { JobLeases } from './leases/job-leases.js';
import { JobQueue } from './model/job-queue.js';
import { OtherJobs } from './model/other-jobs.js';
import { JobRescuer } from './jobs/job-rescuer.js';
import { JobRunner } from './jobs/job-runner.js';
import { JobWork } from './jobs/job-work.js';
import { JobWatcher } from './jobs/job-watcher.js';
import { JobContentsController } from './api/job-contents.controller.js';
import { JobDecisionsController } from './api/job-decisions.controller.js';
import { JobsController } from './api/jobs.controller.js';
import { SYNC_QUEUES } from './model/sync-queues.js';
import { RecordErrorLog } from './jobs/record-error-log.js';
import { Reverts } from './jobs/reverts.js';
import { RunningJobs } from './jobs/running-jobs.js';
import { SyncJobs } from './jobs/sync-jobs.js';
import { ShortSyncProcessor, SyncProcessor } from './jobs/sync.processor.js';
import { MirrorLists } from './lists/mirror-lists.js';
import { LogHorizons } from './logs/log-horizons.js';
import { Stager } from './read/stager.js';
import { MirrorTables } from './tables/mirror-table.js';
import { MirrorLocks } from './reconcile/mirror-locks.js';
import { Reconciler } from './reconcile/reconciler.js';
import { SnapshotSubmission } from './api/snapshot-submission.js';
import { Sources } from './sources/sources.js';
import { WithinSource } from './sources/within-source.interceptor.js';

/** What both sides need. Workers take snapshots in, too: those that they pull. */
const SHARED: Provider[] = [AppliedDefinitions, SnapshotStore, Sources, JobQueue, SnapshotIntake, StoredBytes];

/** What answers callers. */
const API: Provider[] = [
  UploadSlots,
  OtherJobs,
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
