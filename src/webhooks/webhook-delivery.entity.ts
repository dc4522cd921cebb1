import { Entity, Filter, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { SOURCE_FILTER } from '../platform/source-isolation.js';
import type { EventType } from './webhook-event.js';

export const DELIVERY_STATUSES = ['pending', 'delivered', 'failed'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/**
 * One event on its way to one endpoint: the outbox, written in the transaction that ends the job, and the account of the
 * sending. Whoever sends it holds its `lease`; `nextAttemptAt` is then when the lease runs out.
 */
@Filter(SOURCE_FILTER)
@Entity({ tableName: 'webhook_delivery' })
export class WebhookDelivery {
  /** UUIDv7, and the `webhook-id` of every attempt: what receivers know a repetition by. */
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

  /** The body, to the byte. */
  @Property({ columnType: 'text' })
  payload!: string;

  @Property({ columnType: 'text' })
  status: DeliveryStatus = 'pending';

  /** Attempts that were begun, since the last replay if there was one. */
  @Property({ columnType: 'int' })
  attempts: number = 0;

  @Property({ columnType: 'timestamptz', nullable: true })
  nextAttemptAt!: Date | null;

  @Property({ type: 'uuid', nullable: true })
  lease: string | null = null;

  /** What the receiver answered last, null if it did not. */
  @Property({ columnType: 'int', nullable: true })
  responseStatus: number | null = null;

  /** Why the last attempt failed: one of our own words, never the receiver's. */
  @Property({ columnType: 'text', nullable: true })
  reason: string | null = null;

  @Property({ columnType: 'timestamptz' })
  created!: Date;

  @Property({ columnType: 'timestamptz', nullable: true })
  attemptedAt: Date | null = null;

  @Property({ columnType: 'timestamptz', nullable: true })
  finishedAt: Date | null = null;

  /** An event that is to be sent at once. */
  static of(
    fields: Pick<WebhookDelivery, 'id' | 'sourceId' | 'endpointId' | 'type' | 'jobId' | 'payload' | 'created'>,
  ) {
    return Object.assign(new WebhookDelivery(), fields, { nextAttemptAt: fields.created });
  }
}
