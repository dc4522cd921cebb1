import type { Definition } from './definitions/definition.js';
import { PatientView } from './patients/patient.dto.js';
import { PatientsModule } from './patients/patients.module.js';
import { patients } from './patients/patients.resource.js';
import { PaymentView } from './payments/payment.dto.js';
import { PaymentsModule } from './payments/payments.module.js';
import { payments } from './payments/payments.resource.js';

/** The mirrored resources, one line each: with their routes, and the class by which the documentation describes their rows. */
export const resources: { definition: Definition; module: new () => object; row: new () => object }[] = [
  { definition: patients, module: PatientsModule, row: PatientView },
  { definition: payments, module: PaymentsModule, row: PaymentView },
];
