import { Entity, Property } from '@mikro-orm/decorators/legacy';
import { MirroredRow } from '../sync/mirrored-row.entity.js';

/** A person as the billing system knows them. */
@Entity({ tableName: 'patient' })
export class Patient extends MirroredRow {
  @Property({ columnType: 'varchar(250)' })
  firstName!: string;

  @Property({ columnType: 'varchar(250)' })
  lastName!: string;

  @Property({ columnType: 'varchar(250)', nullable: true })
  middleName?: string | null;

  /** `YYYY-MM-DD`: a day on the calendar, not an instant. */
  @Property({ columnType: 'date', nullable: true })
  dateOfBirth?: string | null;

  /** The sum of the live payments that are resolved to this patient, kept by the reconciliation. */
  @Property({ columnType: 'numeric(28,4)', default: '0' })
  paymentsTotal!: string;

  @Property({ columnType: 'int', default: 0 })
  paymentsCount!: number;
}
