import { BigIntType } from '@mikro-orm/core';
import { Entity, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';

/** One external system. Every stored row belongs to one. */
@Entity({ tableName: 'source' })
export class Source {
  @PrimaryKey({ type: 'integer', autoincrement: true })
  id!: number;

  @Property({ columnType: 'text', unique: true })
  name!: string;

  @Property({ columnType: 'timestamptz', defaultRaw: 'now()' })
  created?: Date;

  /** The number of its last commit that changed rows: written by `numberCommit` alone. */
  @Property({ type: new BigIntType('number'), default: 0 })
  lastCommit?: number;
}
