import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { PaymentRelay } from './payment-relay.js';

/** The parts of a claim that its payment needs. */
export interface PayableClaim {
  id: string;
  sourceId: number;
  /** A plain decimal, of either sign. */
  netFee: string;
}

/** Takes notifications for the payments service from the code that stores claims. */
@Injectable()
export class PaymentOutbox {
  constructor(private readonly relay: PaymentRelay) {}

  /** Inserts the notification in the transaction of `em`, so that it is sent if and only if that commits. */
  async add(em: EntityManager, { id, sourceId, netFee }: PayableClaim): Promise<void> {
    await em.execute('insert into payment_notification (source_id, claim_id, net_fee) values (?, ?, ?)', [
      sourceId,
      id,
      netFee,
    ]);
  }

  /** Wakes the relay after the commit, so that the notification is sent at once and not within a second. Never fails. */
  announce(): void {
    this.relay.wake();
  }
}
