import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { PageQuery } from '../http/paging.js';
import { PAYMENT_STATUSES, type PaymentStatus } from './payment-notification.entity.js';

/** Query of `GET /claim-payments`. */
export class ListClaimPayments extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid', description: 'only the payment of this claim' })
  @IsOptional()
  @IsUUID('all')
  claim_id?: string;
}

/** Query of `GET /claim-payments/notifications`. */
export class ListNotifications extends PageQuery {
  @ApiPropertyOptional({ enum: PAYMENT_STATUSES })
  @IsOptional()
  @IsIn(PAYMENT_STATUSES)
  status?: PaymentStatus;
}
