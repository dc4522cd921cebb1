import { OptionalProps, PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, Filter, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { SOURCE_FILTER } from '../database/source-isolation.js';

/** The payment of a claim: the one effect of its settlement, unique per claim. */
@Filter(SOURCE_FILTER)
@Entity({ tableName: 'claim_payment' })
export class ClaimPayment {
  [PrimaryKeyProp]?: ['sourceId', 'id'];
  [OptionalProps]?: 'status' | 'created';

  @PrimaryKey({ columnType: 'int' })
  sourceId!: number;

  /** UUIDv7, so that payments sort by the time at which they were settled. */
  @PrimaryKey({ type: 'uuid' })
  id!: string;

  @Property({ type: 'uuid' })
  claimId!: string;

  /** A plain decimal. */
  @Property({ columnType: 'numeric' })
  netFee!: string;

  @Property({ columnType: 'text', default: 'settled' })
  status!: 'settled';

  @Property({ columnType: 'timestamptz', defaultRaw: 'now()' })
  created!: Date;
}
