import { ManyToOne, Property, Entity } from '@mikro-orm/decorators/legacy';
import { type Ref } from '@mikro-orm/core';
import { Patient } from '../patients/patient.entity.js';
import { MirroredRow } from '../sync/mirrored-row.entity.js';

/** A payment as the billing system knows it. */
@Entity({ tableName: 'payment' })
export class Payment extends MirroredRow {
  /** The patient's external id, as sent. */
  @Property({ columnType: 'text collate "C"' })
  patientExternalId!: string;

  /** The live patient with that external id; null while there is none and the payment is unresolved. */
  @ManyToOne(() => Patient, { ref: true, nullable: true, deleteRule: 'no action', updateRule: 'no action' })
  patient?: Ref<Patient> | null;

  /** An exact decimal with at most 15 digits before and 4 after the point. */
  @Property({ columnType: 'numeric(19,4)' })
  amount!: string;
}
