import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { PeriodicTask } from '../platform/periodic-task.js';
import { safeError } from '../platform/safe-error.js';
import { type ClaimedDelivery, DeliveryClaims } from './delivery-claims.js';
import { WebhookPost } from './webhook-post.js';
import { signatureHeaders } from './webhook-signature.js';

/** An event waits this long at most before its first attempt, unless the receiver is busy. */
const PAUSE_MS = 1_000;

/** Attempts that one process makes at a time: more than the endpoints of one source can keep busy by default (20 × 2). */
const MAX_AT_ONCE = 48;

/** What is under way at a stop may take so long to its end; then it is given back. */
const GRACE_MS = 2_000;

/** As long as giving back may take when PostgreSQL is away too: the leases run out by themselves. */
const GIVE_BACK_MS = 1_000;

/**
 * Sends what the outbox holds: looks each second, and whenever an attempt has ended, for deliveries that are due. Each may
 * be sent more than once (a process dies between the answer and writing it down), always with the same `webhook-id`.
 */
@Injectable()
export class WebhookSender implements BeforeApplicationShutdown {
  readonly task = new PeriodicTask({
    name: 'looking for webhooks to send',
    pauseMs: PAUSE_MS,
    run: (stopping) => this.sendDue(stopping),
  });
  private readonly logger = new Logger(WebhookSender.name);
  private readonly underWay = new Map<ClaimedDelivery, Promise<void>>();
  private readonly abortion = new AbortController();

  constructor(
    private readonly claims: DeliveryClaims,
    private readonly post: WebhookPost,
  ) {}

  /** Lets what is under way come to its end, within limits, and gives the rest back for others to send. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.race([this.finishAll(), delay(GRACE_MS, undefined, { ref: false })]);
    const left = [...this.underWay.keys()];
    this.abortion.abort();
    if (left.length === 0) return;
    const given = this.claims.giveBack(left).catch(() => undefined);
    await Promise.race([given, delay(GIVE_BACK_MS, undefined, { ref: false })]);
  }

  private async finishAll(): Promise<void> {
    await this.task.stop();
    await Promise.all(this.underWay.values());
  }

  /** Takes one delivery of each endpoint in turn until nothing is due or all places are taken. */
  private async sendDue(stopping: AbortSignal): Promise<void> {
    await this.claims.renew([...this.underWay.keys()]);
    while (!stopping.aborted && this.underWay.size < MAX_AT_ONCE) {
      const claimed = await this.claims.claim(MAX_AT_ONCE - this.underWay.size);
      if (claimed.length === 0) return;
      for (const delivery of claimed) this.start(delivery);
    }
  }

  private start(delivery: ClaimedDelivery): void {
    const attempt = this.attempt(delivery)
      // The lease runs out, and the delivery is sent again.
      .catch((error: unknown) => this.logger.warn({ delivery: delivery.id, err: safeError(error) }, 'not written down'))
      .then(() => {
        this.underWay.delete(delivery);
        this.task.wake();
      });
    this.underWay.set(delivery, attempt);
  }

  private async attempt(delivery: ClaimedDelivery): Promise<void> {
    const { id, payload, url, secret, previous_secret: previous } = delivery;
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'counterpart-webhooks',
      ...signatureHeaders(id, new Date(), payload, previous === null ? [secret] : [secret, previous]),
    };
    const outcome = await this.post.send({ url, headers, body: payload }, this.abortion.signal);
    if (outcome !== null) await this.claims.settle(delivery, outcome);
  }
}
