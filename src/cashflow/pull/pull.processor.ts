import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import { type BeforeApplicationShutdown, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { safeError } from '../../logging/safe-error.js';
import { WORKER_OPTIONS } from '../../queue/queue-worker.js';
import { PULL_QUEUES } from './pull-queue.js';
import { PullRunner } from './pull-runner.js';

/** Receives the notifications of pulls that are due. Everything else is decided by the table of pulls. */
@Processor(PULL_QUEUES.pulls, WORKER_OPTIONS)
export class PullProcessor extends WorkerHost implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(PullProcessor.name);

  constructor(private readonly runner: PullRunner) {
    super();
  }

  onApplicationBootstrap(): void {
    this.worker.run().catch((error: unknown) => this.onError(error));
  }

  /** Leaves further notifications to other workers at once. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.worker.pause(true);
  }

  process(): Promise<string> {
    this.runner.task.wake();
    return Promise.resolve('woken');
  }

  /** The queue is away, or came back; BullMQ goes on by itself. */
  @OnWorkerEvent('error')
  onError(error: unknown): void {
    this.logger.warn({ err: safeError(error) }, 'the queue reported an error');
  }
}
