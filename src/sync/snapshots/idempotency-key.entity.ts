import { OptionalProps, PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, Filter, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { SOURCE_FILTER } from '../../database/source-isolation.js';

/** A sender's promise that two requests are the same one, and the job that the first of them made. */
@Filter(SOURCE_FILTER)
@Entity({ tableName: 'idempotency_key' })
export class IdempotencyKey {
  [PrimaryKeyProp]?: ['sourceId', 'key'];
  [OptionalProps]?: 'created';

  @PrimaryKey({ columnType: 'int' })
  sourceId!: number;

  @PrimaryKey({ columnType: 'text' })
  key!: string;

  /** Digest of resource, query, headers that matter, and body. */
  @Property({ columnType: 'text' })
  request!: string;

  @Property({ type: 'uuid' })
  jobId!: string;

  @Property({ columnType: 'timestamptz', defaultRaw: 'now()' })
  created!: Date;
}
