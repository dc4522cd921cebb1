import { Entity, Filter, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { SOURCE_FILTER } from '../database/source-isolation.js';
import type { EventType } from './event-types.js';

export const DELIVERY_STATUSES = ['pending', 'delivered', 'failed'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/**
 * One event for one endpoint: an entry of the outbox, written in the transaction in which it happened, and the record of its
 * sending. The process that sends it holds its `lease`; meanwhile `nextAttemptAt` is when the lease runs out.
 */
@Filter(SOURCE_FILTER)
@Entity({ tableName: 'webhook_delivery' })
export class WebhookDelivery {
  /** UUIDv7, and the `webhook-id` of every attempt, by which receivers recognize repetitions. */
  @PrimaryKey({ type: 'uuid' })
  id!: string;

  @Property({ columnType: 'int' })
  sourceId!: number;

  @Property({ type: 'uuid' })
  endpointId!: string;

  @Property({ columnType: 'text' })
  type!: EventType;

  @Property({ type: 'uuid', nullable: true })
  jobId: string | null = null;

  /** The body, byte for byte. */
  @Property({ columnType: 'text' })
  payload!: string;

  @Property({ columnType: 'text' })
  status: DeliveryStatus = 'pending';

  /** Attempts that were started, since the last replay if there was one. */
  @Property({ columnType: 'int' })
  attempts: number = 0;

  @Property({ columnType: 'timestamptz', nullable: true })
  nextAttemptAt!: Date | null;

  @Property({ type: 'uuid', nullable: true })
  lease: string | null = null;

  /** The receiver's last status, null if it did not answer. */
  @Property({ columnType: 'int', nullable: true })
  responseStatus: number | null = null;

  /** Why the last attempt failed: one of our own codes, never the receiver's text. */
  @Property({ columnType: 'text', nullable: true })
  reason: string | null = null;

  @Property({ columnType: 'timestamptz' })
  created!: Date;

  @Property({ columnType: 'timestamptz', nullable: true })
  attemptedAt: Date | null = null;

  @Property({ columnType: 'timestamptz', nullable: true })
  finishedAt: Date | null = null;

  /** A delivery that is due at once. */
  static of(
    fields: Pick<WebhookDelivery, 'id' | 'sourceId' | 'endpointId' | 'type' | 'jobId' | 'payload' | 'created'>,
  ) {
    return Object.assign(new WebhookDelivery(), fields, { nextAttemptAt: fields.created });
  }
}
