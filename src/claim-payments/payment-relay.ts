import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { PeriodicTask } from '../platform/periodic-task.js';
import { atStep } from '../platform/steps.js';
import { acrossSources } from '../platform/source-isolation.js';
import { PaymentQueue } from './payment-queue.js';
import type { PaymentMessage } from './payment-queues.js';

/** How long a notification may wait whose process died before it could announce it, or while the queue is away. */
const PAUSE_MS = 1_000;

/** Notifications of one transaction, and of one call of the queue. */
const BATCH = 500;

/** A relay that is paused in the midst of its transaction would keep others from settling its batch. */
const PAUSED_SECONDS = 5;

interface Notification extends PaymentMessage {
  status: 'pending' | 'failed';
  attempts: number;
  reason: string | null;
}

/**
 * Moves what the outbox holds into the queue, and what has failed into the dead-letter queue. Each process has one; they
 * share the work, as each takes what no other one has locked. Whoever dies between telling the queue and writing that down
 * leaves it to the next one to tell it again: at least once.
 */
@Injectable()
export class PaymentRelay {
  readonly task = new PeriodicTask({
    name: 'notifying the payments service',
    pauseMs: PAUSE_MS,
    run: (stopping) => acrossSources(() => this.relayAll(stopping)),
  });

  constructor(
    private readonly em: EntityManager,
    private readonly queue: PaymentQueue,
  ) {}

  /** Looks at the outbox at once. */
  wake(): void {
    this.task.wake();
  }

  private async relayAll(stopping: AbortSignal): Promise<void> {
    const [waiting] = await this.em
      .fork()
      .execute<{ some: boolean }[]>(
        'select exists (select from payment_notification where relayed_at is null) as some',
      );
    if (!waiting?.some) return;
    // Before anything is locked.
    await this.queue.mustAnswer();
    while (!stopping.aborted && (await this.relayBatch()) === BATCH);
  }

  /** @returns how many there were */
  private async relayBatch(): Promise<number> {
    const relayed = await this.em.fork().transactional(async (em) => {
      await em.execute(`set local idle_in_transaction_session_timeout = '${PAUSED_SECONDS}s'`);
      const taken = await em.execute<Notification[]>(
        `select source_id as "sourceId", claim_id as "claimId", round, status, attempts, reason from payment_notification
          where relayed_at is null order by source_id, claim_id limit ? for update skip locked`,
        [BATCH],
      );
      if (taken.length === 0) return 0;
      atStep('notifications taken');
      await this.tell(taken);
      atStep('payments service notified');
      await em.execute(
        `update payment_notification n
            set status = case n.status when 'pending' then 'notified' else n.status end, relayed_at = now(),
                updated = case n.status when 'pending' then now() else n.updated end
           from json_to_recordset(?) as told ("sourceId" int, "claimId" uuid)
          where n.source_id = told."sourceId" and n.claim_id = told."claimId"`,
        [JSON.stringify(taken.map(({ sourceId, claimId }) => ({ sourceId, claimId })))],
      );
      return taken.length;
    });
    if (relayed > 0) atStep('notifications marked');
    return relayed;
  }

  private async tell(taken: Notification[]): Promise<void> {
    const pending = taken.filter(({ status }) => status === 'pending');
    const failed = taken.filter(({ status }) => status === 'failed');
    await this.queue.tell(pending.map(({ claimId, sourceId, round }) => ({ claimId, sourceId, round })));
    await this.queue.bury(
      failed.map(({ claimId, sourceId, round, attempts, reason }) => ({
        claimId,
        sourceId,
        round,
        attempts,
        reason: reason ?? 'unknown',
      })),
    );
  }
}
