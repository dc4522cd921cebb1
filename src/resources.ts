import type { Definition } from './definitions/definition.js';
import { PatientsModule } from './patients/patients.module.js';
import { patients } from './patients/patients.resource.js';
import { PaymentsModule } from './payments/payments.module.js';
import { payments } from './payments/payments.resource.js';

/** The mirrored resources, one line each. */
export const resources: { definition: Definition; module: new () => object }[] = [
  { definition: patients, module: PatientsModule },
  { definition: payments, module: PaymentsModule },
];
