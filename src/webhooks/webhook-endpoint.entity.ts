import { ArrayType } from '@mikro-orm/core';
import { Entity, Filter, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { SOURCE_FILTER } from '../platform/source-isolation.js';
import type { JobEvent } from './webhook-event.js';

/** Why an endpoint is sent nothing: its owner wants it so, nothing arrived for days, or it answered 410 Gone. */
export type DisabledReason = 'by_request' | 'failing' | 'gone';

/** An address that a source wants told of the ends of its jobs. */
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
  events!: JobEvent[];

  @Property({ columnType: 'boolean' })
  enabled: boolean = true;

  @Property({ columnType: 'text', nullable: true })
  disabledReason: DisabledReason | null = null;

  @Property({ columnType: 'timestamptz', nullable: true })
  disabledAt: Date | null = null;

  /** When the first of those attempts failed since which none has succeeded. */
  @Property({ columnType: 'timestamptz', nullable: true })
  failingSince: Date | null = null;

  /** Signs every request, so it is kept as it is. Told to its owner once, and to nobody else. */
  @Property({ columnType: 'text' })
  secret!: string;

  /** The secret before the last change: it signs too until the receiver has had time to take over the new one. */
  @Property({ columnType: 'text', nullable: true })
  previousSecret: string | null = null;

  @Property({ columnType: 'timestamptz', nullable: true })
  previousSecretUntil: Date | null = null;

  @Property({ columnType: 'timestamptz' })
  created!: Date;

  @Property({ columnType: 'timestamptz' })
  updated!: Date;

  /** Begins anew: nothing that failed before counts any more. */
  enable(): void {
    this.enabled = true;
    this.disabledReason = null;
    this.disabledAt = null;
    this.failingSince = null;
  }
}
