import { ApiProperty } from '@nestjs/swagger';
import { PAYMENT_STATUSES, type PaymentStatus } from './payment-notification.entity.js';

/** The state of the payment of a claim, as claims and the routes of payments show it. */
export class PaymentState {
  @ApiProperty({ enum: PAYMENT_STATUSES })
  status!: PaymentStatus;

  @ApiProperty({ type: 'integer', example: 0, description: 'attempts since the claim was first sent or last retried' })
  attempts!: number;

  @ApiProperty({
    type: 'string',
    nullable: true,
    example: 'amount_above_maximum',
    description: 'why the last attempt failed',
  })
  reason!: string | null;

  @ApiProperty({ format: 'date-time' })
  updated!: Date;
}
