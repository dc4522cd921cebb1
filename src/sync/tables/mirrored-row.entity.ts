import { BigIntType, OptionalProps } from '@mikro-orm/core';
import { Filter, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { SOURCE_FILTER } from '../../database/source-isolation.js';

/**
 * What every mirrored table has. `created`, `updated` and `deletedAt` are the times at which a job was applied, and no
 * two jobs of one source and resource share one: so they also tell by which job a row was changed.
 */
@Filter(SOURCE_FILTER)
export abstract class MirroredRow {
  [OptionalProps]?: 'created' | 'updated' | 'deletedAt';

  @PrimaryKey({ type: new BigIntType('number'), autoincrement: true })
  id!: number;

  @Property({ columnType: 'int' })
  sourceId!: number;

  /** The record's id at its source; unique per source, kept for good, so that a row that is back is the same row. */
  @Property({ columnType: 'text collate "C"' })
  externalId!: string;

  @Property({ columnType: 'timestamptz' })
  created!: Date;

  @Property({ columnType: 'timestamptz' })
  updated!: Date;

  /** Set while the row is gone at its source. */
  @Property({ columnType: 'timestamptz', nullable: true })
  deletedAt?: Date | null;
}
