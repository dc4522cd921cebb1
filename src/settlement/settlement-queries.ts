import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Cursors, listScope } from '../http/cursors.js';
import type { Page } from '../http/paging.js';
import { ClaimPayment } from './claim-payment.entity.js';
import { PaymentNotification, type PaymentStatus } from './payment-notification.entity.js';
import { PaymentCounts } from './claim-payment-view.js';
import type { ListClaimPayments, ListNotifications } from './claim-payment.dto.js';

/** Reads the payments and notifications of a source. Ids are UUIDv7, so ordering by id is ordering by time. */
@Injectable()
export class SettlementQueries {
  constructor(
    private readonly em: EntityManager,
    private readonly cursors: Cursors,
  ) {}

  /** Lists payments, newest first. @throws Refusal 400 for a cursor of another list */
  async listPayments(sourceId: number, query: ListClaimPayments): Promise<Page<ClaimPayment>> {
    const scope = listScope('claim-payments', sourceId, { claim: query.claim_id });
    const after = this.cursors.read(query.cursor, scope, 1)?.[0];
    const found = await this.em.fork().find(
      ClaimPayment,
      {
        sourceId,
        ...(query.claim_id === undefined ? {} : { claimId: query.claim_id }),
        ...(after === undefined ? {} : { id: { $lt: after } }),
      },
      { orderBy: { id: 'desc' }, limit: query.limit + 1 },
    );
    return this.cursors.toPage(found, query.limit, scope, ({ id }) => [id]);
  }

  /** Lists notifications by claim, newest first. @throws Refusal 400 for a cursor of another list */
  async listNotifications(sourceId: number, query: ListNotifications): Promise<Page<PaymentNotification>> {
    const scope = listScope('notifications', sourceId, { status: query.status });
    const after = this.cursors.read(query.cursor, scope, 1)?.[0];
    const found = await this.em.fork().find(
      PaymentNotification,
      {
        sourceId,
        ...(query.status === undefined ? {} : { status: query.status }),
        ...(after === undefined ? {} : { claimId: { $lt: after } }),
      },
      { orderBy: { claimId: 'desc' }, limit: query.limit + 1 },
    );
    return this.cursors.toPage(found, query.limit, scope, ({ claimId }) => [claimId]);
  }

  /** Counts the notifications of a source in each state. */
  async count(sourceId: number): Promise<PaymentCounts> {
    const rows = await this.em
      .fork()
      .execute<{ status: PaymentStatus; n: number }[]>(
        'select status, count(*)::int as n from payment_notification where source_id = ? group by status',
        [sourceId],
      );
    return Object.assign(new PaymentCounts(), Object.fromEntries(rows.map(({ status, n }) => [status, n])));
  }
}
