import type { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { PaymentRelay } from './payment-relay.js';

/** What the payments service has to know of a claim. */
export interface PayableClaim {
  id: string;
  sourceId: number;
  /** A plain decimal, of either sign. */
  netFee: string;
}

/** Where whoever stores claims leaves word for the payments service. */
@Injectable()
export class PaymentOutbox {
  constructor(private readonly relay: PaymentRelay) {}

  /** Leaves word in the transaction of `em`, so that it is sent if and only if that commits. */
  async add(em: EntityManager, { id, sourceId, netFee }: PayableClaim): Promise<void> {
    await em.execute('insert into payment_notification (source_id, claim_id, net_fee) values (?, ?, ?)', [
      sourceId,
      id,
      netFee,
    ]);
  }

  /** To be called after the commit: what was left goes out at once, rather than within a second. Never fails. */
  announce(): void {
    this.relay.wake();
  }
}
