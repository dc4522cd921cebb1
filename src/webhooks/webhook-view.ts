import { ApiProperty } from '@nestjs/swagger';
import { DELIVERY_STATUSES, type DeliveryStatus, type WebhookDelivery } from '../outbox/webhook-delivery.entity.js';
import type { DisabledReason, WebhookEndpoint } from './webhook-endpoint.entity.js';
import { EVENTS, type EventType, type SubscribedEvent } from '../outbox/event-types.js';

/** An endpoint as its source sees it. The secret is only shown when it is created. */
export class WebhookView {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ example: 'https://clinic.example/hooks/counterpart' })
  url!: string;

  @ApiProperty({ type: 'string', nullable: true })
  description!: string | null;

  @ApiProperty({ enum: EVENTS, isArray: true })
  events!: SubscribedEvent[];

  @ApiProperty()
  enabled!: boolean;

  @ApiProperty({ enum: ['by_request', 'failing', 'gone'], nullable: true })
  disabledReason!: DisabledReason | null;

  @ApiProperty({ type: 'string', format: 'date-time', nullable: true })
  disabledAt!: Date | null;

  @ApiProperty({
    type: 'string',
    format: 'date-time',
    nullable: true,
    description: 'when the first attempt after the last success failed',
  })
  failingSince!: Date | null;

  @ApiProperty({ format: 'date-time' })
  created!: Date;

  @ApiProperty({ format: 'date-time' })
  updated!: Date;
}

/** An endpoint with its new secret. */
export class WebhookWithSecret extends WebhookView {
  @ApiProperty({ example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=', description: 'shown this once' })
  secret!: string;
}

/** A delivery as its source sees it. */
export class DeliveryView {
  @ApiProperty({ format: 'uuid', description: 'the webhook-id of every attempt' })
  id!: string;

  @ApiProperty({ enum: [...EVENTS, 'ping'] })
  type!: EventType;

  @ApiProperty({ type: 'string', format: 'uuid', nullable: true })
  jobId!: string | null;

  @ApiProperty({ enum: DELIVERY_STATUSES })
  status!: DeliveryStatus;

  @ApiProperty({ type: 'integer', description: 'since the last replay, if there was one' })
  attempts!: number;

  @ApiProperty({ type: 'integer', nullable: true, description: 'the last status of the receiver' })
  responseStatus!: number | null;

  @ApiProperty({ type: 'string', nullable: true, example: 'timeout' })
  reason!: string | null;

  @ApiProperty({ type: 'string', format: 'date-time', nullable: true })
  nextAttemptAt!: Date | null;

  @ApiProperty({ format: 'date-time' })
  created!: Date;

  @ApiProperty({ type: 'string', format: 'date-time', nullable: true })
  attemptedAt!: Date | null;

  @ApiProperty({ type: 'string', format: 'date-time', nullable: true })
  finishedAt!: Date | null;
}

export function webhookView(endpoint: WebhookEndpoint): WebhookView {
  const { id, url, description, events, enabled, disabledReason, disabledAt, failingSince, created, updated } =
    endpoint;
  return { id, url, description, events, enabled, disabledReason, disabledAt, failingSince, created, updated };
}

export function deliveryView(delivery: WebhookDelivery): DeliveryView {
  const { id, type, jobId, status, attempts, responseStatus, reason, nextAttemptAt } = delivery;
  const { created, attemptedAt, finishedAt } = delivery;
  return { id, type, jobId, status, attempts, responseStatus, reason, nextAttemptAt, created, attemptedAt, finishedAt };
}
