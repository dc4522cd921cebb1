import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { Patient } from '../patients/patient.entity.js';
import { formatMoney } from '../platform/money.js';
import { Cursors } from '../platform/cursors.js';
import type { Page } from '../platform/paging.js';
import { Refusal } from '../platform/refusal.js';
import { isStorable } from '../platform/text.js';
import type { PaymentView } from './payment.dto.js';
import { Payment } from './payment.entity.js';

/** Which payments to list. */
export interface PaymentFilter {
  /** External ids of the patient and of the payment itself. */
  patient?: string;
  payment?: string;
  limit: number;
  cursor?: string;
}

/** Queries of the live payments of a source. Unresolved ones are hidden until their patient arrives. */
@Injectable()
export class PaymentQueries {
  constructor(
    private readonly em: EntityManager,
    private readonly cursors: Cursors,
  ) {}

  /** A page in the order of external ids. */
  async list(sourceId: number, filter: PaymentFilter): Promise<Page<PaymentView>> {
    const after = this.cursors.read(filter.cursor, 'payments', 1)?.[0];
    const em = this.em.fork();
    const patient = filter.patient === undefined ? undefined : await this.findPatient(em, sourceId, filter.patient);
    if (patient === null) return { items: [], nextCursor: null };
    const payments = await em.find(
      Payment,
      {
        sourceId,
        deletedAt: null,
        patient: patient ? patient.id : { $ne: null },
        $and: [
          filter.payment === undefined ? {} : { externalId: filter.payment },
          after === undefined ? {} : { externalId: { $gt: after } },
        ],
      },
      { orderBy: { externalId: 'asc' }, limit: filter.limit + 1 },
    );
    const page = this.cursors.toPage(payments, filter.limit, 'payments', (payment) => [payment.externalId]);
    return { ...page, items: page.items.map(toView) };
  }

  /** The payments of a live patient. @throws Refusal 404 */
  async listOfPatient(
    sourceId: number,
    externalId: string,
    limit: number,
    cursor?: string,
  ): Promise<Page<PaymentView>> {
    const patient = await this.findPatient(this.em.fork(), sourceId, externalId);
    if (!patient) throw Refusal.notFound('patient');
    return this.list(sourceId, { patient: externalId, limit, cursor });
  }

  private async findPatient(em: EntityManager, sourceId: number, externalId: string): Promise<Patient | null> {
    // PostgreSQL refuses a parameter with a NUL or an unpaired surrogate.
    if (!isStorable(externalId)) return null;
    return em.findOne(Patient, { sourceId, externalId, deletedAt: null });
  }
}

function toView(payment: Payment): PaymentView {
  return {
    id: payment.id,
    externalId: payment.externalId,
    patientId: payment.patientExternalId,
    amount: formatMoney(payment.amount),
    created: payment.created,
    updated: payment.updated,
  };
}
