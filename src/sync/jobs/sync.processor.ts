import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import { type BeforeApplicationShutdown, Inject, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { Job } from 'bullmq';
import { CONFIG, type Config } from '../../settings/config.js';
import { WORKER_OPTIONS } from '../../queue/queue-worker.js';
import { safeError } from '../../logging/safe-error.js';
import type { JobNotification } from '../model/job-queue.js';
import { JobRunner } from './job-runner.js';
import { concurrencyOf, SYNC_QUEUES, type SyncQueue } from '../model/sync-queues.js';

/** Receives the notifications of long jobs. Everything else is decided by the table of jobs. */
@Processor(SYNC_QUEUES.long, WORKER_OPTIONS)
export class SyncProcessor extends WorkerHost implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(SyncProcessor.name);
  protected readonly queue: SyncQueue = 'long';

  constructor(
    private readonly runner: JobRunner,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    super();
  }

  onApplicationBootstrap(): void {
    this.worker.concurrency = concurrencyOf(this.queue, this.config.WORKER_CONCURRENCY);
    this.worker.run().catch((error: unknown) => this.onError(error));
  }

  /** Leaves further notifications to other workers at once, while the jobs that run come to their end. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.worker.pause(true);
  }

  async process(job: Job<JobNotification>): Promise<string> {
    return this.runner.run(job.data.jobId);
  }

  /** The queue is away, or came back; BullMQ goes on by itself. */
  @OnWorkerEvent('error')
  onError(error: unknown): void {
    this.logger.warn({ err: safeError(error) }, 'the queue reported an error');
  }
}

/** The same for short jobs. */
@Processor(SYNC_QUEUES.short, WORKER_OPTIONS)
export class ShortSyncProcessor extends SyncProcessor {
  protected override readonly queue: SyncQueue = 'short';
}
