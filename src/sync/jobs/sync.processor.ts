import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import { Inject, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { Job } from 'bullmq';
import { CONFIG, type Config } from '../../platform/config.js';
import { safeError } from '../../platform/problem.filter.js';
import { SYNC_QUEUE, type SyncHint } from './job-queue.js';
import { JobRunner } from './job-runner.js';

/** Where the queue's hints arrive. Everything else is decided by the table of jobs. */
@Processor(SYNC_QUEUE, {
  // A lock that is not renewed for 5 s is lost, which is looked for every 2 s: with BullMQ's defaults a killed worker's
  // job would start again after a minute only.
  lockDuration: 5_000,
  stalledInterval: 2_000,
  maxStalledCount: 10,
  // After trouble with its connection a worker would sit still for 15 s (measured with PostgreSQL away for a moment).
  runRetryDelay: 1_000,
  // Started once all is there, with the concurrency of the settings.
  autorun: false,
})
export class SyncProcessor extends WorkerHost implements OnApplicationBootstrap {
  private readonly logger = new Logger(SyncProcessor.name);

  constructor(
    private readonly runner: JobRunner,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    super();
  }

  onApplicationBootstrap(): void {
    this.worker.concurrency = this.config.WORKER_CONCURRENCY;
    this.worker.run().catch((error: unknown) => this.onError(error));
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
