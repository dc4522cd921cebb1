import { ApiProperty } from '@nestjs/swagger';
import type { TransferKind } from './posting.js';

/** An account that was opened. */
export class OpenedAccount {
  @ApiProperty({ example: '4929281630274856' })
  account_number!: string;

  @ApiProperty({ type: 'integer', example: 0, description: 'cents' })
  balance!: number;
}

/** A balance in whole cents. */
export class Balance {
  @ApiProperty({ type: 'integer', example: 245, description: 'cents' })
  balance!: number;
}

/** A transfer that was posted. */
export class PostedTransfer {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ example: '4929281630274856' })
  from!: string;

  @ApiProperty({ example: '7301926455018371' })
  to!: string;

  @ApiProperty({ type: 'integer', description: 'cents' })
  sum!: number;

  @ApiProperty({ type: 'integer', description: 'of the account that paid, after it' })
  balance!: number;
}

/** A line of a statement. */
export class StatementEntry {
  @ApiProperty({ format: 'uuid', description: 'of the transfer: the same on both sides' })
  id!: string;

  @ApiProperty({ format: 'date-time' })
  at!: string;

  @ApiProperty({ enum: ['deposit', 'withdrawal', 'transfer'] })
  kind!: TransferKind;

  @ApiProperty({ type: 'integer', example: -5, description: 'cents' })
  amount!: number;

  @ApiProperty({ type: 'integer', example: 245, description: 'cents, after it' })
  balance!: number;
}
