import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { PageQuery } from '../platform/paging.js';
import { PAYMENT_STATUSES, type PaymentStatus } from './payment-notification.entity.js';

/** Which payments to list. */
export class ListClaimPayments extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid', description: 'the claim that was settled' })
  @IsOptional()
  @IsUUID('all')
  claim_id?: string;
}

/** Which notifications to list. */
export class ListNotifications extends PageQuery {
  @ApiPropertyOptional({ enum: PAYMENT_STATUSES })
  @IsOptional()
  @IsIn(PAYMENT_STATUSES)
  status?: PaymentStatus;
}
