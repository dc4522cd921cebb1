import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsOptional, Matches, Max, Min } from 'class-validator';
import { PAYMENT_STATUSES, type PaymentStatus } from '../settlement/payment-notification.entity.js';
import { PageQuery, wholeNumber } from '../http/paging.js';

/** Query of `GET /claims`. */
export class ListClaims extends PageQuery {
  @ApiPropertyOptional({ example: '1234567893', description: 'only claims with a line of this provider' })
  @IsOptional()
  @Matches(/^\d{10}$/, { message: 'must have exactly 10 digits' })
  provider_npi?: string;

  @ApiPropertyOptional({ enum: PAYMENT_STATUSES })
  @IsOptional()
  @IsIn(PAYMENT_STATUSES)
  payment_status?: PaymentStatus;
}

/** Query of `GET /providers/top`. */
export class TopProviders {
  @ApiPropertyOptional({ minimum: 1, maximum: 1000, default: 10, type: 'integer' })
  @IsOptional()
  @Transform(({ value }) => wholeNumber(value))
  @IsInt()
  @Min(1)
  @Max(1000)
  limit: number = 10;
}

/** The total of a provider's claims. */
export class ProviderTotal {
  @ApiProperty({ example: '1234567893' })
  providerNpi!: string;

  @ApiProperty({ example: '116.85' })
  netFee!: string;

  @ApiProperty({ example: 1, description: 'number of claims with a line of this provider' })
  claims!: number;
}

/** The providers with the largest totals, largest first. */
export class ProviderRanking {
  @ApiProperty({ type: [ProviderTotal] })
  items!: ProviderTotal[];
}
