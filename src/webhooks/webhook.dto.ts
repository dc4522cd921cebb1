import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  IsBoolean,
  IsIn,
  IsISO8601,
  IsOptional,
  IsString,
  Matches,
  MaxLength,
  ValidateBy,
  ValidateIf,
} from 'class-validator';
import { PageQuery } from '../http/paging.js';
import { DELIVERY_STATUSES, type DeliveryStatus } from '../outbox/webhook-delivery.entity.js';
import { EVENTS, type SubscribedEvent } from '../outbox/event-types.js';

const MAX_URL_CHARACTERS = 2_000;
const MAX_DESCRIPTION_CHARACTERS = 500;

const URL_EXAMPLE = 'https://clinic.example/hooks/counterpart';

/** PostgreSQL stores no NUL and no lone surrogates. */
const TEXT = /^[^\0\p{Surrogate}]*$/u;

/** Unlike `IsOptional` this treats null as a value, which the other rules then refuse. */
const IfGiven = () => ValidateIf((_, value: unknown) => value !== undefined);

/**
 * Some of the events, each once. One check instead of several: class-validator makes all checks of a field whatever the
 * first ones say, and its `ArrayUnique` compares each item with all others (0.2 s for the 64 KiB that a body may have).
 */
const AreEvents = () =>
  ValidateBy({
    name: 'areEvents',
    validator: { validate: areEvents, defaultMessage: () => `must be some of ${EVENTS.join(', ')}, each once` },
  });

function areEvents(value: unknown): boolean {
  if (!Array.isArray(value) || value.length === 0 || value.length > EVENTS.length) return false;
  const known: readonly unknown[] = EVENTS;
  return new Set(value).size === value.length && value.every((event) => known.includes(event));
}

/** A new endpoint, and the events that it subscribes to. */
export class CreateWebhook {
  @ApiProperty({ example: URL_EXAMPLE, maxLength: MAX_URL_CHARACTERS })
  @IsString()
  @MaxLength(MAX_URL_CHARACTERS)
  url!: string;

  @ApiPropertyOptional({ enum: EVENTS, isArray: true, description: 'all by default' })
  @IfGiven()
  @AreEvents()
  events?: SubscribedEvent[];

  @ApiPropertyOptional({ type: 'string', nullable: true, maxLength: MAX_DESCRIPTION_CHARACTERS, example: 'the ledger' })
  @IsOptional()
  @IsString()
  @MaxLength(MAX_DESCRIPTION_CHARACTERS)
  @Matches(TEXT, { message: 'must be text' })
  description?: string | null;
}

/** The fields to change; the others stay. */
export class UpdateWebhook {
  @ApiPropertyOptional({ example: URL_EXAMPLE, maxLength: MAX_URL_CHARACTERS })
  @IfGiven()
  @IsString()
  @MaxLength(MAX_URL_CHARACTERS)
  url?: string;

  @ApiPropertyOptional({ enum: EVENTS, isArray: true })
  @IfGiven()
  @AreEvents()
  events?: SubscribedEvent[];

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

/** Since when failed deliveries are to be sent again. */
export class ReplaySince {
  @ApiProperty({ example: '2026-11-21T10:00:00.000Z' })
  @Matches(/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?Z$/, {
    message: 'must be an instant such as 2026-11-21T10:00:00.000Z',
  })
  @IsISO8601({ strict: true }, { message: 'must be an instant such as 2026-11-21T10:00:00.000Z' })
  since!: string;
}
