import { ApiProperty } from '@nestjs/swagger';
import { PaymentState } from '../settlement/payment-state.js';

/** A claim in a list. */
export class ClaimSummary {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ type: 'string', nullable: true, example: 'A-1001' })
  externalClaimId!: string | null;

  @ApiProperty({ example: '116.85' })
  netFee!: string;

  @ApiProperty({ example: 4 })
  lineCount!: number;

  @ApiProperty({ format: 'date-time' })
  created!: Date;

  @ApiProperty()
  payment!: PaymentState;
}

/** The net fee of a line. */
export class LineFee {
  @ApiProperty({ example: 0, description: 'position in the claim, from 0' })
  line!: number;

  @ApiProperty({ example: '1234567893' })
  providerNpi!: string;

  @ApiProperty({ example: '81.25' })
  netFee!: string;
}

/** A line with all of its fields. */
export class LineView extends LineFee {
  @ApiProperty({ example: '2018-03-28T00:00:00', description: 'local time at the place of the service' })
  serviceDate!: string;

  @ApiProperty({ example: 'D4346' })
  submittedProcedure!: string;

  @ApiProperty({ type: 'string', nullable: true, example: 'UR' })
  quadrant!: string | null;

  @ApiProperty({ example: 'GRP-7' })
  planGroupNumber!: string;

  @ApiProperty({ example: '4400990011' })
  subscriberNumber!: string;

  @ApiProperty({ example: '130.00' })
  providerFees!: string;

  @ApiProperty({ example: '65.00' })
  allowedFees!: string;

  @ApiProperty({ example: '16.25' })
  memberCoinsurance!: string;

  @ApiProperty({ example: '0.00' })
  memberCopay!: string;
}

/** A claim as `POST /claims` answers it, whether it is new or was stored before. */
export class StoredClaim extends ClaimSummary {
  @ApiProperty({ type: [LineFee] })
  lines!: LineFee[];
}

/** A claim with all of its lines. */
export class ClaimView extends ClaimSummary {
  @ApiProperty({ type: [LineView] })
  lines!: LineView[];
}
