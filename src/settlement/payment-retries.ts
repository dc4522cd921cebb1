import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { validate as isUuid } from 'uuid';
import { Refusal } from '../http/refusal.js';
import { atStep } from '../runtime/steps.js';
import { PaymentNotification } from './payment-notification.entity.js';
import { type MessageKey, PaymentQueue } from './payment-queue.js';
import { PaymentRelay } from './payment-relay.js';

/** Failed claims that one request retries; another request takes the next ones. */
const MAX_RETRIED = 500;

/**
 * Sends claims to the payments service again. Their dead letters are removed while the rows are locked, before the commit:
 * if the transaction then fails, `PaymentRescuer` finds failed claims without a dead letter and adds it again. While the
 * queue is unreachable, failed claims cannot be retried.
 */
@Injectable()
export class PaymentRetries {
  constructor(
    private readonly em: EntityManager,
    private readonly queue: PaymentQueue,
    private readonly relay: PaymentRelay,
  ) {}

  /**
   * Sends a claim again, with its full number of attempts. A claim that has not failed but is still on its way is sent
   * again too; its older message then has no effect.
   * @throws Refusal 404, 409 if it is settled, or 503 if its dead letter cannot be removed
   */
  async retry(sourceId: number, claimId: string): Promise<PaymentNotification> {
    if (!isUuid(claimId)) throw Refusal.notFound('claim');
    const requeued = await this.em.fork().transactional(async (em) => {
      const [found] = await em.execute<(MessageKey & { status: string })[]>(
        `select claim_id as "claimId", round, status from payment_notification
          where source_id = ? and claim_id = ? for update`,
        [sourceId, claimId],
      );
      if (!found) throw Refusal.notFound('claim');
      if (found.status === 'settled')
        throw new Refusal(409, 'already_settled', 'The payment of this claim is settled.');
      await this.requeue(em, sourceId, [found], found.status === 'failed');
      return em.findOneOrFail(PaymentNotification, { sourceId, claimId });
    });
    this.relay.wake();
    return requeued;
  }

  /** Sends up to 500 failed claims again, the oldest first. @returns how many. @throws Refusal 503 */
  async retryFailed(sourceId: number): Promise<number> {
    const retried = await this.em.fork().transactional(async (em) => {
      const failed = await em.execute<MessageKey[]>(
        `select claim_id as "claimId", round from payment_notification
          where source_id = ? and status = 'failed' order by claim_id limit ? for update skip locked`,
        [sourceId, MAX_RETRIED],
      );
      if (failed.length > 0) await this.requeue(em, sourceId, failed, true);
      return failed.length;
    });
    this.relay.wake();
    return retried;
  }

  private async requeue(em: EntityManager, sourceId: number, keys: MessageKey[], haveFailed: boolean): Promise<void> {
    if (haveFailed) {
      await this.removeDeadLetters(keys);
      atStep('dead letter removed');
    }
    await em.execute(
      `update payment_notification
          set status = 'pending', attempts = 0, reason = null, round = round + 1, relayed_at = null, updated = now()
        where source_id = ? and claim_id = any(string_to_array(?, ',')::uuid[])`,
      [sourceId, keys.map(({ claimId }) => claimId).join(',')],
    );
  }

  /** @throws Refusal 503 */
  private async removeDeadLetters(keys: MessageKey[]): Promise<void> {
    try {
      await this.queue.mustAnswer();
      await this.queue.removeDeadLetters(keys);
    } catch {
      throw Refusal.unavailable();
    }
  }
}
