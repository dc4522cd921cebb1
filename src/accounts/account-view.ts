import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { TransferKind } from './posting.js';

/** The problem of a refused request (RFC 9457). */
export class AccountProblem {
  @ApiProperty({ example: 'about:blank' })
  type!: string;

  @ApiProperty({ example: 'Conflict' })
  title!: string;

  @ApiProperty({ type: 'integer', example: 409 })
  status!: number;

  @ApiProperty({ example: 'The account does not have enough money for that.' })
  detail!: string;

  @ApiProperty({ example: 'insufficient_funds' })
  code!: string;

  @ApiPropertyOptional({
    enum: ['transaction sum is invalid', 'account does not exist', 'insufficient funds'],
    description: 'for these three problems only',
  })
  error?: string;

  @ApiPropertyOptional({ type: 'array', items: { type: 'object' }, description: 'the fields that are wrong, if any' })
  errors?: object[];
}

/** A new account. */
export class OpenedAccount {
  @ApiProperty({ example: '4929281630274857' })
  account_number!: string;

  @ApiProperty({ type: 'integer', example: 0, description: 'cents' })
  balance!: number;
}

/** A balance in whole cents. */
export class Balance {
  @ApiProperty({ type: 'integer', example: 245, description: 'cents' })
  balance!: number;
}

/** A posted transfer. */
export class PostedTransfer {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ example: '4929281630274857' })
  from!: string;

  @ApiProperty({ example: '7301926455018378' })
  to!: string;

  @ApiProperty({ type: 'integer', description: 'cents' })
  sum!: number;

  @ApiProperty({ type: 'integer', description: 'of the paying account, after the transfer' })
  balance!: number;
}

/** A line of a statement. */
export class StatementEntry {
  @ApiProperty({ format: 'uuid', description: 'of the transfer, the same on both sides' })
  id!: string;

  @ApiProperty({ format: 'date-time' })
  at!: string;

  @ApiProperty({ enum: ['deposit', 'withdrawal', 'transfer'] })
  kind!: TransferKind;

  @ApiProperty({ type: 'integer', example: -5, description: 'cents' })
  amount!: number;

  @ApiProperty({ type: 'integer', example: 245, description: 'cents, after this entry' })
  balance!: number;
}
