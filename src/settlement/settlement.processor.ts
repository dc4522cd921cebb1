import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import { type BeforeApplicationShutdown, Inject, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { DelayedError, type Job, type JobsOptions } from 'bullmq';
import { CONFIG, type Config } from '../settings/config.js';
import { WORKER_OPTIONS } from '../queue/queue-worker.js';
import { safeError } from '../logging/safe-error.js';
import { atStep } from '../runtime/steps.js';
import { PAYMENT_QUEUES, type PaymentMessage } from './payment-messages.js';
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

/** Takes messages from the queue of notifications and has each claim settled. */
@Processor(PAYMENT_QUEUES.notifications, OPTIONS)
export class SettlementProcessor extends WorkerHost implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(SettlementProcessor.name);

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

  /** Stops taking messages at once, so that other processes get them, and lets running ones finish. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.worker.pause(true);
  }

  async process(job: Job<PaymentMessage>, token?: string): Promise<string> {
    atStep('notification received');
    const number = job.attemptsMade + 1;
    const outcome = await this.settlement.settle(job.data, { number, isLast: number >= (job.opts.attempts ?? 1) });
    if (outcome !== 'not now') return outcome;
    // A delayed message does not count as an attempt.
    await job.moveToDelayed(Date.now() + retryDelayMs(1, this.config.PAYMENT_RETRY_MS), token);
    throw new DelayedError();
  }

  /** Wakes the relay, so that a finally failed message becomes a dead letter at once. */
  @OnWorkerEvent('failed')
  onFailed(): void {
    this.relay.wake();
  }

  /** Logs errors of the connection to the queue. BullMQ reconnects by itself. */
  @OnWorkerEvent('error')
  onError(error: unknown): void {
    this.logger.warn({ err: safeError(error) }, 'the queue reported an error');
  }
}

/** The first retry delay that the message was added with. */
function firstDelayMs(options: JobsOptions | undefined): number {
  const { backoff } = options ?? {};
  return (typeof backoff === 'object' ? backoff.delay : backoff) ?? 0;
}
