import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { Histogram, Registry } from 'prom-client';
import { setTimeout as delay } from 'node:timers/promises';
import { PeriodicTask } from '../runtime/periodic-task.js';
import { safeError } from '../logging/safe-error.js';
import { type LeasedDelivery, DeliveryLeases } from './delivery-leases.js';
import { WebhookPost } from './webhook-post.js';
import { signatureHeaders } from './webhook-signature.js';

/** An event waits at most this long for its first attempt, unless the receiver is busy. */
const PAUSE_MS = 1_000;

/** Attempts that one process makes at a time: more than the endpoints of one source can keep busy by default (20 × 2). */
const MAX_AT_ONCE = 48;

/** At a stop, attempts under way may take so long to finish; then the deliveries are given back. */
const GRACE_MS = 2_000;

/** The limit for giving back, in case PostgreSQL is away too: the leases run out by themselves. */
const GIVE_BACK_MS = 1_000;

/**
 * Sends the deliveries of the outbox: looks for due ones each second, and whenever an attempt has ended. A delivery may be
 * sent more than once (if a process is killed between the answer and recording it), always with the same `webhook-id`.
 */
@Injectable()
export class WebhookSender implements BeforeApplicationShutdown {
  readonly task = new PeriodicTask({
    name: 'looking for webhooks to send',
    pauseMs: PAUSE_MS,
    run: (stopping) => this.sendDue(stopping),
  });
  private readonly logger = new Logger(WebhookSender.name);
  private readonly underWay = new Map<LeasedDelivery, Promise<void>>();
  private readonly abortion = new AbortController();

  private readonly durations: Histogram<'outcome'>;

  constructor(
    private readonly leases: DeliveryLeases,
    private readonly post: WebhookPost,
    registry: Registry,
  ) {
    this.durations = new Histogram({
      name: 'counterpart_webhook_attempt_seconds',
      help: 'Seconds until a receiver had answered an attempt to deliver, or it was given up; failed: by status, error or timeout',
      labelNames: ['outcome'],
      // WEBHOOK_TIMEOUT_SECONDS is 60 at most.
      buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60],
      registers: [registry],
    });
  }

  /** Lets attempts under way finish, within limits, and gives the rest back for other processes to send. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.race([this.finishAll(), delay(GRACE_MS, undefined, { ref: false })]);
    const left = [...this.underWay.keys()];
    this.abortion.abort();
    if (left.length === 0) return;
    const given = this.leases.giveBack(left).catch(() => undefined);
    await Promise.race([given, delay(GIVE_BACK_MS, undefined, { ref: false })]);
  }

  private async finishAll(): Promise<void> {
    await this.task.stop();
    await Promise.all(this.underWay.values());
  }

  /** Takes one delivery of each endpoint at a time until nothing is due or all places are taken. */
  private async sendDue(stopping: AbortSignal): Promise<void> {
    await this.leases.renew([...this.underWay.keys()]);
    while (!stopping.aborted && this.underWay.size < MAX_AT_ONCE) {
      const leased = await this.leases.take(MAX_AT_ONCE - this.underWay.size);
      if (leased.length === 0) return;
      for (const delivery of leased) this.start(delivery);
    }
  }

  private start(delivery: LeasedDelivery): void {
    const attempt = this.attempt(delivery)
      // The lease runs out, and the delivery is sent again.
      .catch((error: unknown) =>
        this.logger.warn(
          { delivery: delivery.id, err: safeError(error) },
          'the outcome of a webhook delivery was not recorded',
        ),
      )
      .then(() => {
        this.underWay.delete(delivery);
        this.task.wake();
      });
    this.underWay.set(delivery, attempt);
  }

  private async attempt(delivery: LeasedDelivery): Promise<void> {
    const { id, payload, url, secret, previous_secret: previous } = delivery;
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'counterpart-webhooks',
      ...signatureHeaders(id, new Date(), payload, previous === null ? [secret] : [secret, previous]),
    };
    const stop = this.durations.startTimer();
    const outcome = await this.post.send({ url, headers, body: payload }, this.abortion.signal);
    if (outcome === null) return;
    stop({ outcome: outcome.reason === null ? 'delivered' : 'failed' });
    await this.leases.settle(delivery, outcome);
  }
}
