import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { PeriodicTask } from '../runtime/periodic-task.js';
import { atStep } from '../runtime/steps.js';
import { acrossSources } from '../database/source-isolation.js';
import { PaymentQueue } from './payment-queue.js';
import type { PaymentMessage } from './payment-messages.js';

/** Time between looks at the outbox, for notifications that no process announced, or while the queue is unreachable. */
const PAUSE_MS = 1_000;

/** Notifications per transaction, and per call to the queue. */
const BATCH = 500;

/** PostgreSQL ends a transaction that is idle for longer: a paused relay would keep others from settling its batch. */
const IDLE_TRANSACTION_SECONDS = 5;

interface TakenNotification extends PaymentMessage {
  status: 'pending' | 'failed';
  attempts: number;
  reason: string | null;
}

/**
 * Moves pending notifications from the outbox into the queue, and failed ones into the dead-letter queue. Every process
 * has a relay; they share the work, since each takes rows that no other has locked. Delivery is at least once: if a
 * process ends after adding to the queue but before its commit, the next relay adds the same messages again.
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
    // Checked before any row is locked.
    await this.queue.mustAnswer();
    while (!stopping.aborted && (await this.relayBatch()) === BATCH);
  }

  /** @returns the number of notifications relayed */
  private async relayBatch(): Promise<number> {
    const relayed = await this.em.fork().transactional(async (em) => {
      await em.execute(`set local idle_in_transaction_session_timeout = '${IDLE_TRANSACTION_SECONDS}s'`);
      const taken = await em.execute<TakenNotification[]>(
        `select source_id as "sourceId", claim_id as "claimId", round, status, attempts, reason from payment_notification
          where relayed_at is null order by source_id, claim_id limit ? for update skip locked`,
        [BATCH],
      );
      if (taken.length === 0) return 0;
      atStep('notifications taken');
      await this.addToQueues(taken);
      atStep('payments service notified');
      await em.execute(
        `update payment_notification n
            set status = case n.status when 'pending' then 'notified' else n.status end, relayed_at = now(),
                updated = case n.status when 'pending' then now() else n.updated end
           from json_to_recordset(?) as relayed ("sourceId" int, "claimId" uuid)
          where n.source_id = relayed."sourceId" and n.claim_id = relayed."claimId"`,
        [JSON.stringify(taken.map(({ sourceId, claimId }) => ({ sourceId, claimId })))],
      );
      return taken.length;
    });
    if (relayed > 0) atStep('notifications marked');
    return relayed;
  }

  private async addToQueues(taken: TakenNotification[]): Promise<void> {
    const pending = taken.filter(({ status }) => status === 'pending');
    const failed = taken.filter(({ status }) => status === 'failed');
    await this.queue.addNotifications(pending.map(({ claimId, sourceId, round }) => ({ claimId, sourceId, round })));
    await this.queue.addDeadLetters(
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
