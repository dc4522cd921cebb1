import { PatientsModule } from './patients/patients.module.js';
import { patients } from './patients/patients.resource.js';
import { PaymentsModule } from './payments/payments.module.js';
import { payments } from './payments/payments.resource.js';
import type { MirroredResource } from './sync/mirrored-resource.js';

/** The mirrored resources, one line each. */
export const resources: { definition: MirroredResource; module: new () => object }[] = [
  { definition: patients, module: PatientsModule },
  { definition: payments, module: PaymentsModule },
];
