import { BigIntType, OptionalProps, PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, Filter, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { SOURCE_FILTER } from '../../database/source-isolation.js';

/** How far the mirror of one source and resource has come. */
@Filter(SOURCE_FILTER)
@Entity({ tableName: 'mirror_state' })
export class MirrorState {
  [PrimaryKeyProp]?: ['sourceId', 'resource'];
  [OptionalProps]?: 'appliedSeq' | 'lastSeq';

  @PrimaryKey({ columnType: 'int' })
  sourceId!: number;

  @PrimaryKey({ columnType: 'text' })
  resource!: string;

  /** The sequence number that was given out last; the lock on this row makes acceptance an order. */
  @Property({ type: new BigIntType('number') })
  lastSeq: number = 0;

  /** The newest job that took effect; nothing older that may touch the same rows may follow it. */
  @Property({ type: new BigIntType('number') })
  appliedSeq: number = 0;

  @Property({ columnType: 'timestamptz', nullable: true })
  appliedAt: Date | null = null;

  @Property({ type: 'uuid', nullable: true })
  appliedJob: string | null = null;

  /** Digest of the bytes and rules that the mirror is now the exact result of; null if it is not that of one snapshot. */
  @Property({ columnType: 'text', nullable: true })
  content: string | null = null;
}
