import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import { type BeforeApplicationShutdown, Inject, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { DelayedError, type Job, type JobsOptions } from 'bullmq';
import { CONFIG, type Config } from '../platform/config.js';
import { WORKER_OPTIONS } from '../platform/queue-worker.js';
import { safeError } from '../platform/safe-error.js';
import { atStep } from '../platform/steps.js';
import { PAYMENT_QUEUES, type PaymentMessage } from './payment-queues.js';
import { PaymentRelay } from './payment-relay.js';
import { PaymentSettlement } from './payment-settlement.js';
import { retryDelayMs } from './retry-delay.js';

const OPTIONS = {
  ...WORKER_OPTIONS,
  settings: {
    backoffStrategy: (failedAttempts: number, _type?: string, _error?: Error, job?: { opts: JobsOptions }) =>
      retryDelayMs(failedAttempts, firstDelayMs(job?.opts)),
  },
};

/** Where the messages to the payments service arrive. */
@Processor(PAYMENT_QUEUES.notifications, OPTIONS)
export class ClaimPaymentsProcessor extends WorkerHost implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(ClaimPaymentsProcessor.name);

  constructor(
    private readonly settlement: PaymentSettlement,
    private readonly relay: PaymentRelay,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    super();
  }

  onApplicationBootstrap(): void {
    this.worker.concurrency = this.config.PAYMENTS_CONCURRENCY;
    this.worker.run().catch((error: unknown) => this.onError(error));
  }

  /** Leaves further messages to the others at once, while what runs comes to its end. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.worker.pause(true);
  }

  async process(job: Job<PaymentMessage>, token?: string): Promise<string> {
    atStep('notification received');
    const number = job.attemptsMade + 1;
    const outcome = await this.settlement.settle(job.data, { number, isLast: number >= (job.opts.attempts ?? 1) });
    if (outcome !== 'not now') return outcome;
    // Put off without an attempt being counted.
    await job.moveToDelayed(Date.now() + retryDelayMs(1, this.config.PAYMENT_RETRY_MS), token);
    throw new DelayedError();
  }

  /** What has failed for good is buried at once. */
  @OnWorkerEvent('failed')
  onFailed(): void {
    this.relay.wake();
  }

  /** The queue is away, or came back; BullMQ goes on by itself. */
  @OnWorkerEvent('error')
  onError(error: unknown): void {
    this.logger.warn({ err: safeError(error) }, 'the queue reported an error');
  }
}

/** As the message was told to be tried again. */
function firstDelayMs(options: JobsOptions | undefined): number {
  const { backoff } = options ?? {};
  return (typeof backoff === 'object' ? backoff.delay : backoff) ?? 0;
}
