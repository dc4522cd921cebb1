import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BACKENDS, startTestServer, type TestServer } from './setup/test-server.js';

const rick = { externalId: '5', firstName: 'Rick', lastName: 'Deckard', dateOfBirth: '1994-02-01' };
const roy = { externalId: '8', firstName: 'Roy', lastName: 'Batti', dateOfBirth: '1993-06-12' };

describe.each(BACKENDS)('on the %s queue', (backend) => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ backend });
  });

  afterAll(() => server.close());

  it('mirrors patients and their payments from their snapshots to the lists', async () => {
    const patients = await server.mirror('/patients', [rick, roy]);
    const payments = await server.mirror('/payments', [
      { externalId: '501', patientId: '5', amount: 4.46 },
      { externalId: '502', patientId: '5', amount: '5.66' },
      { externalId: '601', patientId: 8, amount: 23.32 },
    ]);

    expect(patients).toMatchObject({ status: 'completed', counts: { received: 2, created: 2 } });
    expect(payments).toMatchObject({ status: 'completed', counts: { received: 3, created: 3, unresolved: 0 } });
    const { items } = await server.get('/patients?payment_min=10&payment_max=20');
    expect(items).toMatchObject([{ externalId: '5', paymentsTotal: '10.12', paymentsCount: 2, middleName: null }]);
    expect((await server.get('/payments?external_id=8')).items).toMatchObject([{ externalId: '601', amount: '23.32' }]);
  });
});
