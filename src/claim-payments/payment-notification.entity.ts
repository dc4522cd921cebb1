import { OptionalProps, PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, Filter, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { SOURCE_FILTER } from '../platform/source-isolation.js';

export const PAYMENT_STATUSES = ['pending', 'notified', 'settled', 'failed'] as const;
export type PaymentStatus = (typeof PAYMENT_STATUSES)[number];

/**
 * What the payments service is to be told of one claim: the outbox, written in the claim's own transaction, and the
 * account of what came of it. The queue carries its ids; what is true stands here.
 */
@Filter(SOURCE_FILTER)
@Entity({ tableName: 'payment_notification' })
export class PaymentNotification {
  [PrimaryKeyProp]?: ['sourceId', 'claimId'];
  [OptionalProps]?: 'status' | 'attempts' | 'reason' | 'round' | 'relayedAt' | 'created' | 'updated';

  @PrimaryKey({ columnType: 'int' })
  sourceId!: number;

  @PrimaryKey({ type: 'uuid' })
  claimId!: string;

  /** A plain decimal. */
  @Property({ columnType: 'numeric' })
  netFee!: string;

  @Property({ columnType: 'text', default: 'pending' })
  status!: PaymentStatus;

  /** Attempts of the payments service that have failed, or the one that succeeded besides, in this round. */
  @Property({ columnType: 'int', default: 0 })
  attempts!: number;

  /** Why the last attempt failed: a word of ours or the kind of an error, never its message. */
  @Property({ columnType: 'text', nullable: true })
  reason!: string | null;

  /** Which time this is told: a new message under a new id, where the last one was lost or has failed. */
  @Property({ columnType: 'int', default: 1 })
  round!: number;

  /** When the queue was told of what stands here; null while it is to be: of a failure, the dead-letter queue. */
  @Property({ columnType: 'timestamptz', nullable: true })
  relayedAt!: Date | null;

  @Property({ columnType: 'timestamptz', defaultRaw: 'now()' })
  created!: Date;

  @Property({ columnType: 'timestamptz', defaultRaw: 'now()' })
  updated!: Date;
}
