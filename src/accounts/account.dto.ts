import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Allow, IsInt, IsISO8601, Matches, Max, Min, ValidateIf } from 'class-validator';
import { MOST_CENTS } from './posting.js';

/** Unlike `IsOptional` this validates null too, as a value that is given. */
const IfGiven = () => ValidateIf((_, value: unknown) => value !== undefined);

const INSTANT = /^(?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;
const AN_INSTANT = { message: 'must be an instant such as 2026-11-21T10:00:00.000Z' };

/** The settings of a new account. */
export class OpenAccount {
  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: MOST_CENTS, default: 0, description: 'cents' })
  @IfGiven()
  @IsInt()
  @Min(0)
  @Max(MOST_CENTS)
  overdraftLimit?: number;
}

/** The sum to deposit or withdraw. All its faults get one problem, so it is validated where it is used. */
export class SumQuery {
  @ApiProperty({ type: 'integer', minimum: 1, maximum: MOST_CENTS, description: 'cents' })
  @Allow()
  sum?: unknown;
}

/** A transfer between two accounts of the caller's source. */
export class TransferOrder {
  @ApiProperty({ type: 'string', example: '4929281630274857' })
  @Allow()
  from?: unknown;

  @ApiProperty({ type: 'string', example: '7301926455018378' })
  @Allow()
  to?: unknown;

  @ApiProperty({ type: 'integer', minimum: 1, maximum: MOST_CENTS, description: 'cents' })
  @Allow()
  sum?: unknown;
}

/** The instant of a balance. */
export class BalanceQuery {
  @ApiPropertyOptional({
    example: '2026-11-21T10:00:00.000Z',
    description: 'the balance after everything that was posted up to and including this instant',
  })
  @IfGiven()
  @Matches(INSTANT, AN_INSTANT)
  @IsISO8601({ strict: true }, AN_INSTANT)
  asOf?: string;
}
