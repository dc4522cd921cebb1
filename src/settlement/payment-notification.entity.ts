import { OptionalProps, PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, Filter, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { SOURCE_FILTER } from '../database/source-isolation.js';

export const PAYMENT_STATUSES = ['pending', 'notified', 'settled', 'failed'] as const;
export type PaymentStatus = (typeof PAYMENT_STATUSES)[number];

/**
 * The notification of the payments service about one claim. The row is an outbox entry, written in the claim's own
 * transaction, and holds the state of the payment. It is authoritative: the queue carries only its ids.
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

  /** Attempts in this round: the failed ones, and the one that succeeded if the claim is settled. */
  @Property({ columnType: 'int', default: 0 })
  attempts!: number;

  /** Why the last attempt failed: a code of this project or the kind of the error, never its message. */
  @Property({ columnType: 'text', nullable: true })
  reason!: string | null;

  /** Counts the messages about the claim, from 1. One that replaces a lost or failed message needs a new id. */
  @Property({ columnType: 'int', default: 1 })
  round!: number;

  /** When the row was added to the queue (of dead letters if it has failed); null while it still has to be. */
  @Property({ columnType: 'timestamptz', nullable: true })
  relayedAt!: Date | null;

  @Property({ columnType: 'timestamptz', defaultRaw: 'now()' })
  created!: Date;

  @Property({ columnType: 'timestamptz', defaultRaw: 'now()' })
  updated!: Date;
}
