import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import { type BeforeApplicationShutdown, Inject, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { Job } from 'bullmq';
import { CONFIG, type Config } from '../../platform/config.js';
import { WORKER_OPTIONS } from '../../platform/queue-worker.js';
import { safeError } from '../../platform/safe-error.js';
import type { SyncHint } from './job-queue.js';
import { JobRunner } from './job-runner.js';
import { type Lane, laneWidth, SYNC_QUEUES } from './sync-queues.js';

/** Where the queue's hints of long jobs arrive. Everything else is decided by the table of jobs. */
@Processor(SYNC_QUEUES.long, WORKER_OPTIONS)
export class SyncProcessor extends WorkerHost implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(SyncProcessor.name);
  protected readonly lane: Lane = 'long';

  constructor(
    private readonly runner: JobRunner,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    super();
  }

  onApplicationBootstrap(): void {
    this.worker.concurrency = laneWidth(this.lane, this.config.WORKER_CONCURRENCY);
    this.worker.run().catch((error: unknown) => this.onError(error));
  }

  /** Leaves further hints to the others at once, while what runs comes to its end. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.worker.pause(true);
  }

  async process(job: Job<SyncHint>): Promise<string> {
    return this.runner.run(job.data.jobId);
  }

  /** The queue is away, or came back; BullMQ goes on by itself. */
  @OnWorkerEvent('error')
  onError(error: unknown): void {
    this.logger.warn({ err: safeError(error) }, 'the queue has trouble');
  }
}

/** The same for short jobs. */
@Processor(SYNC_QUEUES.short, WORKER_OPTIONS)
export class ShortSyncProcessor extends SyncProcessor {
  protected override readonly lane: Lane = 'short';
}
