import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, MaxLength, ValidateIf } from 'class-validator';
import { PageQuery } from '../../http/paging.js';
import { DIALECTS } from '../source/dialects.js';
import { PULL_STATUSES, type PullRow, type PullStatus, RATES, type Rates } from './pull-row.js';

const MAX_URL_CHARACTERS = 2_000;
const MAX_DURATION_CHARACTERS = 40;

const DIALECT_CHOICES = ['auto', ...DIALECTS] as const;

/** Unlike `IsOptional` this treats null as a value, which the other rules then refuse. */
const IfGiven = () => ValidateIf((_, value: unknown) => value !== undefined);

/** Which source to pull from, and how. */
export class CreatePull {
  @ApiProperty({ example: 'https://bank.example/feed', maxLength: MAX_URL_CHARACTERS })
  @IsString()
  @MaxLength(MAX_URL_CHARACTERS)
  baseUrl!: string;

  @ApiPropertyOptional({ enum: DIALECT_CHOICES, default: 'auto', description: 'auto: find out' })
  @IfGiven()
  @IsIn(DIALECT_CHOICES)
  dialect: PullRow['dialect'] = 'auto';

  @ApiPropertyOptional({ enum: RATES, default: 'auto', description: 'what the rates of the source are taken for' })
  @IfGiven()
  @IsIn(RATES)
  rates: Rates = 'auto';

  @ApiPropertyOptional({
    example: 'PT1H',
    description: 'pull again so often, as a duration of ISO 8601, at least PT1M',
  })
  @IfGiven()
  @IsString()
  @MaxLength(MAX_DURATION_CHARACTERS)
  every?: string;
}

/** Which pulls to list. */
export class ListPulls extends PageQuery {
  @ApiPropertyOptional({ enum: PULL_STATUSES })
  @IsOptional()
  @IsIn(PULL_STATUSES)
  status?: PullStatus;
}
