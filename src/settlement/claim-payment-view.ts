import { ApiProperty } from '@nestjs/swagger';
import { formatMoney } from '../values/money.js';
import type { ClaimPayment } from './claim-payment.entity.js';
import type { PaymentNotification, PaymentStatus } from './payment-notification.entity.js';
import { PaymentState } from './payment-state.js';

/** The state of the payment of a claim, with the claim's id. */
export class ClaimPaymentState extends PaymentState {
  @ApiProperty({ format: 'uuid' })
  claimId!: string;
}

/** A settled payment. */
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

/** How many claims of a source are in each state. */
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

/** How many claims were retried. */
export class RetriedPayments {
  @ApiProperty({ type: 'integer' })
  retried!: number;
}

export function claimPaymentState(notification: PaymentNotification): ClaimPaymentState {
  const { claimId, status, attempts, reason, updated } = notification;
  return { claimId, status, attempts, reason, updated };
}

export function claimPaymentView({ claimId, netFee, status, created }: ClaimPayment): ClaimPaymentView {
  return { claimId, netFee: formatMoney(netFee), status, created };
}
