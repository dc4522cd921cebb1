import { ApiProperty } from '@nestjs/swagger';
import { formatMoney } from '../platform/money.js';
import type { ClaimPayment } from './claim-payment.entity.js';
import { PAYMENT_STATUSES, type PaymentNotification, type PaymentStatus } from './payment-notification.entity.js';

/** How far the payments service has been told of a claim. */
export class PaymentStateView {
  @ApiProperty({ format: 'uuid' })
  claimId!: string;

  @ApiProperty({ enum: PAYMENT_STATUSES })
  status!: PaymentStatus;

  @ApiProperty({ type: 'integer', description: 'since it was last told anew' })
  attempts!: number;

  @ApiProperty({ type: 'string', nullable: true, example: 'amount_above_maximum', description: 'of the last failure' })
  reason!: string | null;

  @ApiProperty({ format: 'date-time' })
  updated!: Date;
}

/** What the payments service did for a claim. */
export class ClaimPaymentView {
  @ApiProperty({ format: 'uuid' })
  claimId!: string;

  @ApiProperty({ example: '116.85' })
  netFee!: string;

  @ApiProperty({ enum: ['settled'] })
  status!: 'settled';

  @ApiProperty({ format: 'date-time' })
  created!: Date;
}

/** The notifications of a source by their state. */
export class PaymentCounts implements Record<PaymentStatus, number> {
  @ApiProperty({ type: 'integer' })
  pending: number = 0;

  @ApiProperty({ type: 'integer' })
  notified: number = 0;

  @ApiProperty({ type: 'integer' })
  settled: number = 0;

  @ApiProperty({ type: 'integer' })
  failed: number = 0;
}

/** How many were told again. */
export class RetriedPayments {
  @ApiProperty({ type: 'integer' })
  retried!: number;
}

export function paymentStateView(notification: PaymentNotification): PaymentStateView {
  const { claimId, status, attempts, reason, updated } = notification;
  return { claimId, status, attempts, reason, updated };
}

export function claimPaymentView({ claimId, netFee, status, created }: ClaimPayment): ClaimPaymentView {
  return { claimId, netFee: formatMoney(netFee), status, created };
}
