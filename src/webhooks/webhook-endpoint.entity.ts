import { ArrayType } from '@mikro-orm/core';
import { Entity, Filter, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { SOURCE_FILTER } from '../database/source-isolation.js';
import type { SubscribedEvent } from '../outbox/event-types.js';

/** Why an endpoint is disabled: its owner did it, all attempts failed for days, or it answered 410 Gone. */
export type DisabledReason = 'by_request' | 'failing' | 'gone';

/** An address that is notified when jobs of its source end. */
@Filter(SOURCE_FILTER)
@Entity({ tableName: 'webhook_endpoint' })
export class WebhookEndpoint {
  /** UUIDv7: newer endpoints sort later. */
  @PrimaryKey({ type: 'uuid' })
  id!: string;

  @Property({ columnType: 'int' })
  sourceId!: number;

  @Property({ columnType: 'text' })
  url!: string;

  @Property({ columnType: 'text', nullable: true })
  description: string | null = null;

  @Property({ type: ArrayType, columnType: 'text[]' })
  events!: SubscribedEvent[];

  @Property({ columnType: 'boolean' })
  enabled: boolean = true;

  @Property({ columnType: 'text', nullable: true })
  disabledReason: DisabledReason | null = null;

  @Property({ columnType: 'timestamptz', nullable: true })
  disabledAt: Date | null = null;

  /** When the first attempt failed after the last success; null if the last attempt succeeded. */
  @Property({ columnType: 'timestamptz', nullable: true })
  failingSince: Date | null = null;

  /** Signs every request, so it is stored in plain text. Shown to its owner once. */
  @Property({ columnType: 'text' })
  secret!: string;

  /** The secret before the last change: it signs too, so that the receiver has time to switch to the new one. */
  @Property({ columnType: 'text', nullable: true })
  previousSecret: string | null = null;

  @Property({ columnType: 'timestamptz', nullable: true })
  previousSecretUntil: Date | null = null;

  @Property({ columnType: 'timestamptz' })
  created!: Date;

  @Property({ columnType: 'timestamptz' })
  updated!: Date;

  /** Enables the endpoint. Failures until now no longer count. */
  enable(): void {
    this.enabled = true;
    this.disabledReason = null;
    this.disabledAt = null;
    this.failingSince = null;
  }
}
