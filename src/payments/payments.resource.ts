import { defineResource } from '../definitions/define-resource.js';

/** Payments of patients. `patientId` is the patient's external id; the patient may arrive later. */
export const payments = defineResource(
  {
    name: 'payments',
    fields: {
      patientId: 'text',
      amount: 'decimal(19,4)',
    },
    parents: {
      patient: {
        resource: 'patients',
        by: 'patientId',
        totals: { paymentsTotal: 'sum(amount)', paymentsCount: 'count' },
      },
    },
  },
  {
    table: 'payment',
    columns: { patientId: 'patient_external_id' },
    example: { externalId: '501', patientId: '5', amount: 4.46 },
  },
);
