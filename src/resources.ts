import { companies } from './cashflow/companies.resource.js';
import { exchangeRates } from './cashflow/exchange-rates.resource.js';
import { sepa, swift } from './cashflow/transactions.resource.js';
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

/** Resources of which all follows from the definition, as for those of an installation's files: the tables, and the routes. */
export const plainResources: readonly Definition[] = [companies, exchangeRates, sepa, swift];

/** Those of them with a list and single rows of their own. */
export const ownRows: readonly Definition[] = [companies];
