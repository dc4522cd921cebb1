import { OptionalProps, PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, Filter, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { SOURCE_FILTER } from '../platform/source-isolation.js';

/** The payments service's own account of a claim: its one effect. */
@Filter(SOURCE_FILTER)
@Entity({ tableName: 'claim_payment' })
export class ClaimPayment {
  [PrimaryKeyProp]?: ['sourceId', 'id'];
  [OptionalProps]?: 'status' | 'created';

  @PrimaryKey({ columnType: 'int' })
  sourceId!: number;

  /** UUIDv7, so that their order is that of the settling. */
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
