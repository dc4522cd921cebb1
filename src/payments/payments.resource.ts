import { z } from 'zod';
import { Patient } from '../patients/patient.entity.js';
import type { MirroredResource } from '../sync/mirrored-resource.js';
import { externalIdField, moneyField } from '../sync/record-fields.js';
import { Payment } from './payment.entity.js';

/** Payments as a mirrored resource. `patientId` is the patient's external id; the patient may arrive later. */
export const payments: MirroredResource = {
  name: 'payments',
  entity: Payment,
  record: () =>
    z.object({
      externalId: externalIdField('External id'),
      patientId: externalIdField('Patient id'),
      amount: moneyField('Amount'),
    }),
  properties: { patientId: 'patientExternalId' },
  parent: {
    entity: Patient,
    field: 'patientId',
    reference: 'patient',
    unresolved: { code: 'unresolved_patient', message: 'There is no live patient with this external id yet' },
    totals: { of: 'amount', sum: 'paymentsTotal', count: 'paymentsCount' },
  },
  example: { externalId: '501', patientId: '5', amount: 4.46 },
};
