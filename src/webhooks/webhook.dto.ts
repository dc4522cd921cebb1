import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayNotEmpty,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsISO8601,
  IsOptional,
  IsString,
  Matches,
  MaxLength,
  ValidateIf,
} from 'class-validator';
import { PageQuery } from '../platform/paging.js';
import { DELIVERY_STATUSES, type DeliveryStatus } from './webhook-delivery.entity.js';
import { JOB_EVENTS, type JobEvent } from './webhook-event.js';

const MAX_URL_CHARACTERS = 2_000;
const MAX_DESCRIPTION_CHARACTERS = 500;

const URL_EXAMPLE = 'https://clinic.example/hooks/counterpart';

/** PostgreSQL stores no NUL and no half of a surrogate pair. */
const TEXT = /^[^\0\p{Surrogate}]*$/u;

/** Unlike `IsOptional` this takes null for a value, and a wrong one. */
const IfGiven = () => ValidateIf((_, value: unknown) => value !== undefined);

/** Whom to tell of what. */
export class CreateWebhook {
  @ApiProperty({ example: URL_EXAMPLE, maxLength: MAX_URL_CHARACTERS })
  @IsString()
  @MaxLength(MAX_URL_CHARACTERS)
  url!: string;

  @ApiPropertyOptional({ enum: JOB_EVENTS, isArray: true, description: 'all without' })
  @IfGiven()
  @IsArray()
  @ArrayNotEmpty()
  @ArrayUnique()
  @IsIn(JOB_EVENTS, { each: true })
  events?: JobEvent[];

  @ApiPropertyOptional({ type: 'string', nullable: true, maxLength: MAX_DESCRIPTION_CHARACTERS, example: 'the ledger' })
  @IsOptional()
  @IsString()
  @MaxLength(MAX_DESCRIPTION_CHARACTERS)
  @Matches(TEXT, { message: 'must be text' })
  description?: string | null;
}

/** What is to change; what is not given stays. */
export class UpdateWebhook {
  @ApiPropertyOptional({ example: URL_EXAMPLE, maxLength: MAX_URL_CHARACTERS })
  @IfGiven()
  @IsString()
  @MaxLength(MAX_URL_CHARACTERS)
  url?: string;

  @ApiPropertyOptional({ enum: JOB_EVENTS, isArray: true })
  @IfGiven()
  @IsArray()
  @ArrayNotEmpty()
  @ArrayUnique()
  @IsIn(JOB_EVENTS, { each: true })
  events?: JobEvent[];

  @ApiPropertyOptional({ description: 'true forgets all failures so far' })
  @IfGiven()
  @IsBoolean()
  enabled?: boolean;

  @ApiPropertyOptional({ type: 'string', nullable: true, maxLength: MAX_DESCRIPTION_CHARACTERS })
  @IsOptional()
  @IsString()
  @MaxLength(MAX_DESCRIPTION_CHARACTERS)
  @Matches(TEXT, { message: 'must be text' })
  description?: string | null;
}

/** Which deliveries to list. */
export class ListDeliveries extends PageQuery {
  @ApiPropertyOptional({ enum: DELIVERY_STATUSES })
  @IsOptional()
  @IsIn(DELIVERY_STATUSES)
  status?: DeliveryStatus;
}

/** From when on failed deliveries are to be sent again. */
export class ReplaySince {
  @ApiProperty({ example: '2026-11-21T10:00:00.000Z' })
  @Matches(/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?Z$/, {
    message: 'must be an instant such as 2026-11-21T10:00:00.000Z',
  })
  @IsISO8601({ strict: true }, { message: 'must be an instant such as 2026-11-21T10:00:00.000Z' })
  since!: string;
}
