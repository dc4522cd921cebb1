import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { validate as isUuid } from 'uuid';
import { Refusal } from '../platform/refusal.js';
import { atStep } from '../platform/steps.js';
import { PaymentNotification } from './payment-notification.entity.js';
import { type MessageKey, PaymentQueue } from './payment-queue.js';
import { PaymentRelay } from './payment-relay.js';

/** Failed ones that one request tells again; what is left over can be asked for once more. */
const MAX_RETRIED = 500;

/**
 * Tells the payments service again. Dead letters are taken away while the rows are locked, before the commit: if that
 * comes to nothing, the rescue finds failed ones without a letter, and lays it back. Without its queue nothing is told.
 */
@Injectable()
export class PaymentRetries {
  constructor(
    private readonly em: EntityManager,
    private readonly queue: PaymentQueue,
    private readonly relay: PaymentRelay,
  ) {}

  /**
   * Tells of a claim again, with all its attempts: of one that has failed, and of one that is on its way too, whose older
   * message then has nothing left to do. @throws Refusal 404, or 409 if it is settled
   */
  async retry(sourceId: number, claimId: string): Promise<PaymentNotification> {
    if (!isUuid(claimId)) throw Refusal.notFound('claim');
    const told = await this.em.fork().transactional(async (em) => {
      const [found] = await em.execute<(MessageKey & { status: string })[]>(
        `select claim_id as "claimId", round, status from payment_notification
          where source_id = ? and claim_id = ? for update`,
        [sourceId, claimId],
      );
      if (!found) throw Refusal.notFound('claim');
      if (found.status === 'settled')
        throw new Refusal(409, 'already_settled', 'The payment of this claim is settled.');
      await this.tellAnew(em, sourceId, [found], found.status === 'failed');
      return em.findOneOrFail(PaymentNotification, { sourceId, claimId });
    });
    this.relay.wake();
    return told;
  }

  /** Tells of those that have failed again, the oldest first. @returns how many */
  async retryFailed(sourceId: number): Promise<number> {
    const retried = await this.em.fork().transactional(async (em) => {
      const failed = await em.execute<MessageKey[]>(
        `select claim_id as "claimId", round from payment_notification
          where source_id = ? and status = 'failed' order by claim_id limit ? for update skip locked`,
        [sourceId, MAX_RETRIED],
      );
      if (failed.length > 0) await this.tellAnew(em, sourceId, failed, true);
      return failed.length;
    });
    this.relay.wake();
    return retried;
  }

  private async tellAnew(em: EntityManager, sourceId: number, keys: MessageKey[], areBuried: boolean): Promise<void> {
    if (areBuried) {
      await this.exhume(keys);
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
  private async exhume(keys: MessageKey[]): Promise<void> {
    try {
      await this.queue.mustAnswer();
      await this.queue.exhume(keys);
    } catch {
      throw Refusal.unavailable();
    }
  }
}
