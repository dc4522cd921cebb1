import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import { type BeforeApplicationShutdown, Inject, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { Job } from 'bullmq';
import { CONFIG, type Config } from '../platform/config.js';
import { WORKER_OPTIONS } from '../platform/queue-worker.js';
import { safeError } from '../platform/safe-error.js';
import { atStep } from '../platform/steps.js';
import { PAYMENT_QUEUES, type PaymentMessage } from './payment-queues.js';
import { PaymentRelay } from './payment-relay.js';
import { PaymentSettlement } from './payment-settlement.js';

/** Where the messages to the payments service arrive. */
@Processor(PAYMENT_QUEUES.notifications, WORKER_OPTIONS)
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

  async process(job: Job<PaymentMessage>): Promise<string> {
    atStep('notification received');
    const number = job.attemptsMade + 1;
    return this.settlement.settle(job.data, { number, isLast: number >= (job.opts.attempts ?? 1) });
  }

  /** What has failed for good is buried at once. */
  @OnWorkerEvent('failed')
  onFailed(): void {
    this.relay.wake();
  }

  /** The queue is away, or came back; BullMQ goes on by itself. */
  @OnWorkerEvent('error')
  onError(error: unknown): void {
    this.logger.warn({ err: safeError(error) }, 'the queue has trouble');
  }
}
