import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { PatientView } from '../../src/patients/patient.dto.js';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import { backendsOr, startTestServer, type TestServer } from '../setup/test-server.js';
import { Sender } from './sender.js';

const aPatient = (externalId: string, firstName = 'Rick') => ({ externalId, firstName, lastName: 'Deckard' });
const aPayment = (externalId: string, patientId: string, amount: number | string) => ({
  externalId,
  patientId,
  amount,
});

describe.each(backendsOr('redis'))('patients and their payments on the %s queue', (backend) => {
  let server: TestServer;
  let sender: Sender;

  beforeAll(async () => {
    server = await startTestServer({ backend, MAX_CONCURRENT_UPLOADS: 100 });
  });

  afterAll(() => server.close());

  beforeEach(() => {
    sender = new Sender(server);
  });

  /** Sends a snapshot, after which links and totals must be right. */
  const mirror = async (resource: 'patients' | 'payments', records: unknown[], query = '') => {
    const job = await sender.mirror(resource, records, query);
    await expectLinksToHold(sender);
    return job;
  };

  /** What callers see: `patient count total` of each patient, and `payment patient amount` of each payment. */
  const seen = async () => ({
    patients: (await sender.list('patients')).map((p) => `${p.externalId} ${p.paymentsCount} ${p.paymentsTotal}`),
    payments: (await sender.list('payments')).map((p) => `${p.externalId} ${p.patientId} ${p.amount}`),
  });

  describe('a job that is reverted', () => {
    const revert = async (job: JobView, query = '') => {
      const made = (await (await sender.post(`/sync/jobs/${job.id}/revert?${query}`)).json()) as JobView;
      const done = await sender.finished(made);
      await expectLinksToHold(sender);
      return done;
    };

    it('restores patients with their payments, and deletes patients that the job created', async () => {
      await mirror('patients', [aPatient('5'), aPatient('6')]);
      await mirror('payments', [aPayment('501', '5', 4.46), aPayment('601', '6', 7), aPayment('701', '7', 1)]);
      const before = await seen();
      const job = await mirror('patients', [aPatient('5', 'Roy'), aPatient('7')], 'deletes=apply');
      expect((await seen()).patients).toEqual(['5 1 4.46', '7 1 1.00']);

      expect(await revert(job)).toMatchObject({ status: 'completed', counts: { created: 1, updated: 1, deleted: 1 } });

      expect(await seen()).toEqual(before);
    });

    it('restores payments and totals, and reports payments whose patient was deleted meanwhile', async () => {
      await mirror('patients', [aPatient('5'), aPatient('6')]);
      await mirror('payments', [aPayment('501', '5', 4.46), aPayment('601', '6', '7.0005')]);
      const job = await mirror('payments', [aPayment('501', '5', 1), aPayment('502', '5', 2)], 'deletes=apply');
      await mirror('patients', [aPatient('5')], 'deletes=apply');

      const reverted = await revert(job);

      expect(reverted).toMatchObject({ counts: { received: 2, created: 1, updated: 1, deleted: 1, unresolved: 1 } });
      expect(await sender.errors(reverted)).toEqual([
        {
          index: 1,
          externalId: '601',
          status: 'fail',
          code: 'unresolved_patient',
          data: { externalId: '601', patientId: '6', amount: 7.0005 },
          errors: { patientId: ['Waits for patients 6: there is no such live row yet'] },
        },
      ]);
      expect(await seen()).toEqual({ patients: ['5 1 4.46'], payments: ['501 5 4.46'] });
      await mirror('patients', [aPatient('6')], 'mode=partial');
      expect((await seen()).payments).toEqual(['501 5 4.46', '601 6 7.0005']);
    });
  });

  describe('payments that come before their patients', () => {
    it('are stored, reported as unresolved, and hidden', async () => {
      const job = await mirror('payments', [aPayment('501', '5', 4.46), aPayment('601', '6', 7)]);

      expect(job).toMatchObject({
        status: 'completed',
        counts: { received: 2, created: 2, rejected: 0, unresolved: 2 },
      });
      expect(await sender.errors(job)).toMatchObject([
        { index: 0, externalId: '501', status: 'fail', code: 'unresolved_patient', data: aPayment('501', '5', 4.46) },
        { index: 1, externalId: '601', status: 'fail', code: 'unresolved_patient', data: aPayment('601', '6', 7) },
      ]);
      expect(await seen()).toEqual({ patients: [], payments: [] });
      expect(await sender.list('payments', 'payment_external_id=501')).toEqual([]);
    });

    it('appear with their totals as soon as the patients do', async () => {
      await mirror('payments', [aPayment('501', '5', 4.46), aPayment('502', '5', 5.66), aPayment('601', '6', 7)]);

      await mirror('patients', [aPatient('5'), aPatient('7')]);

      expect(await seen()).toEqual({ patients: ['5 2 10.12', '7 0 0.00'], payments: ['501 5 4.46', '502 5 5.66'] });
      expect(await sender.list('patients', 'payment_min=10.12')).toMatchObject([{ externalId: '5' }]);
      await mirror('patients', [aPatient('6')], 'mode=partial');
      expect((await seen()).patients).toEqual(['5 2 10.12', '6 1 7.00', '7 0 0.00']);
    });

    it('are reported again for as long as they are unresolved, and no longer', async () => {
      const payments = [aPayment('501', '5', 1), aPayment('601', '6', 2)];
      await mirror('payments', payments);
      await mirror('patients', [aPatient('5')]);

      const again = await mirror('payments', payments);
      await mirror('patients', [aPatient('5'), aPatient('6')]);
      const resolved = await mirror('payments', payments);

      expect(again.counts).toMatchObject({ unchanged: 2, unresolved: 1 });
      expect(await sender.errors(again)).toMatchObject([{ index: 1, externalId: '601', code: 'unresolved_patient' }]);
      expect(resolved.counts).toMatchObject({ unchanged: 2, unresolved: 0 });
      expect(await sender.errors(resolved)).toEqual([]);
    });

    it('are reported by a dry run, by the patients as they are now', async () => {
      await mirror('patients', [aPatient('5')]);

      const job = await mirror('payments', [aPayment('501', '5', 1), aPayment('601', '6', 2)], 'dryRun=true');

      expect(job.counts).toMatchObject({ created: 2, unresolved: 1 });
      expect(await sender.errors(job)).toMatchObject([{ index: 1, code: 'unresolved_patient' }]);
      expect((await seen()).payments).toEqual([]);
    });

    it('belong to no patient of another source', async () => {
      const other = new Sender(server);
      await other.mirror('patients', [aPatient('5')]);

      const job = await mirror('payments', [aPayment('501', '5', 4)]);

      expect(job.counts.unresolved).toBe(1);
      expect(await other.list('patients')).toMatchObject([{ paymentsTotal: '0.00', paymentsCount: 0 }]);
      await mirror('patients', [aPatient('5')]);
      expect((await seen()).patients).toEqual(['5 1 4.00']);
      expect(await other.list('patients')).toMatchObject([{ paymentsTotal: '0.00', paymentsCount: 0 }]);
    });
  });

  describe('a patient', () => {
    const payments = [aPayment('501', '5', 4.46), aPayment('502', '5', '-1.5'), aPayment('601', '6', 7)];

    beforeEach(async () => {
      await mirror('patients', [aPatient('5'), aPatient('6')]);
      await mirror('payments', payments);
    });

    it('that is deleted hides its payments', async () => {
      await mirror('patients', [aPatient('6')]);

      expect(await seen()).toEqual({ patients: ['6 1 7.00'], payments: ['601 6 7.00'] });
      expect(await sender.list('payments', 'external_id=5')).toEqual([]);
      expect((await sender.get('/patients/5/payments')).status).toBe(404);
      const again = await mirror('payments', payments);
      expect(again.counts).toMatchObject({ unchanged: 3, unresolved: 2 });
    });

    it('that is restored has its payments and their total again', async () => {
      await mirror('patients', [aPatient('6')]);

      const job = await mirror('patients', [aPatient('5'), aPatient('6')]);

      expect(job.counts).toMatchObject({ created: 1, unchanged: 1 });
      expect((await seen()).patients).toEqual(['5 2 2.96', '6 1 7.00']);
      expect((await seen()).payments).toEqual(['501 5 4.46', '502 5 -1.50', '601 6 7.00']);
    });

    it('that is restored has only the payments that exist by then', async () => {
      await mirror('patients', [aPatient('6')]);
      await mirror('payments', [aPayment('502', '5', 2), aPayment('503', '5', 3), aPayment('601', '6', 7)]);

      await mirror('patients', [aPatient('5'), aPatient('6')]);

      expect(await seen()).toEqual({
        patients: ['5 2 5.00', '6 1 7.00'],
        payments: ['502 5 2.00', '503 5 3.00', '601 6 7.00'],
      });
    });

    it('whose new version is rejected keeps its payments', async () => {
      const job = await mirror('patients', [{ ...aPatient('5'), firstName: null }, aPatient('6')]);

      expect(job.counts).toMatchObject({ rejected: 1, retained: 1, deleted: 0 });
      expect((await seen()).patients).toEqual(['5 2 2.96', '6 1 7.00']);
    });

    it('is updated by changes of its own fields only', async () => {
      const updated = async () => Object.fromEntries((await patientsOf(sender)).map((p) => [p.externalId, p.updated]));
      const before = await updated();

      await mirror('payments', [aPayment('501', '5', 9), aPayment('502', '6', '-1.5')]);
      expect((await seen()).patients).toEqual(['5 1 9.00', '6 1 -1.50']);
      expect(await updated()).toEqual(before);

      await mirror('patients', [aPatient('5', 'Richard'), aPatient('6')]);
      expect(await updated()).toEqual({ 5: expect.not.stringMatching(String(before['5'])), 6: before['6'] });
      expect((await seen()).patients).toEqual(['5 1 9.00', '6 1 -1.50']);
    });

    it('that is restored after all of its payments were deleted has none', async () => {
      await mirror('patients', [aPatient('6')]);
      await mirror('payments', [], 'deletes=apply');
      await mirror('patients', [aPatient('5'), aPatient('6')]);

      expect((await seen()).patients).toEqual(['5 0 0.00', '6 0 0.00']);
    });
  });

  describe('a payment', () => {
    beforeEach(async () => {
      await mirror('patients', [aPatient('5'), aPatient('6')]);
      await mirror('payments', [aPayment('501', '5', 4.46), aPayment('502', '5', 5.66), aPayment('601', '6', 7)]);
    });

    it('moves to another patient with its amount', async () => {
      await mirror('payments', [aPayment('501', '6', 4.46), aPayment('502', '5', 5.66), aPayment('601', '6', 7)]);

      expect((await seen()).patients).toEqual(['5 1 5.66', '6 2 11.46']);
    });

    it('moves and changes its amount in one snapshot', async () => {
      await mirror('payments', [aPayment('501', '6', '0.0001')], 'mode=partial');

      expect((await seen()).patients).toEqual(['5 1 5.66', '6 2 7.0001']);
    });

    it('swaps its patient with another payment', async () => {
      await mirror('payments', [aPayment('501', '6', 7), aPayment('601', '5', 4.46)], 'mode=partial');

      expect((await seen()).patients).toEqual(['5 2 10.12', '6 1 7.00']);
    });

    it('that moves to an unknown patient is hidden until it moves back', async () => {
      await mirror('payments', [aPayment('501', '9', 4.46)], 'mode=partial');
      expect(await seen()).toEqual({ patients: ['5 1 5.66', '6 1 7.00'], payments: ['502 5 5.66', '601 6 7.00'] });

      await mirror('payments', [aPayment('501', '6', 4.46)], 'mode=partial');
      expect((await seen()).patients).toEqual(['5 1 5.66', '6 2 11.46']);
    });

    it('counts with its new amount, exactly', async () => {
      await mirror('payments', [aPayment('501', '5', '999999999999999.9999'), aPayment('502', '5', '0.0001')]);
      expect((await seen()).patients).toEqual(['5 2 1000000000000000.00', '6 0 0.00']);

      await mirror('payments', [aPayment('501', '5', '-999999999999999.9999'), aPayment('502', '5', '0.1')]);
      expect((await seen()).patients).toEqual(['5 2 -999999999999999.8999', '6 0 0.00']);
    });

    it('counts no more once it is deleted, and again once it is restored', async () => {
      await mirror('payments', [aPayment('502', '5', 5.66)]);
      expect((await seen()).patients).toEqual(['5 1 5.66', '6 0 0.00']);

      await mirror('payments', [aPayment('501', '6', 1), aPayment('502', '5', 5.66)]);
      expect((await seen()).patients).toEqual(['5 1 5.66', '6 1 1.00']);
    });

    it('that was deleted while its patient was gone does not come back with the patient', async () => {
      await mirror('patients', [aPatient('6')]);
      await mirror('payments', [aPayment('502', '5', 5.66), aPayment('601', '6', 7)]);
      await mirror('patients', [aPatient('5'), aPatient('6')]);

      expect((await seen()).patients).toEqual(['5 1 5.66', '6 1 7.00']);
    });

    it('that was deleted before its patient was, and is restored after it, counts', async () => {
      await mirror('payments', [aPayment('601', '6', 7)]);
      await mirror('patients', [aPatient('6')]);
      await mirror('payments', [aPayment('501', '5', 3), aPayment('601', '6', 7)]);
      await mirror('patients', [aPatient('5'), aPatient('6')]);

      expect(await seen()).toEqual({ patients: ['5 1 3.00', '6 1 7.00'], payments: ['501 5 3.00', '601 6 7.00'] });
    });

    it('whose new version is rejected stays with its patient', async () => {
      const job = await mirror('payments', [aPayment('501', '6', 'much'), aPayment('502', '5', 1)]);

      expect(job.counts).toMatchObject({ updated: 1, rejected: 1, retained: 1, deleted: 1 });
      expect((await seen()).patients).toEqual(['5 2 5.46', '6 0 0.00']);
    });
  });

  it('stay linked and summed up while snapshots of both come at once, round after round', async () => {
    const random = randomNumbers(20_261_121);
    const some = <T>(count: number, make: (n: number) => T) =>
      Array.from({ length: count }, (_, n) => n)
        .filter(() => random(3) > 0)
        .map(make);
    const patients = () => some(8, (n) => aPatient(`p${n}`, `Name ${random(2)}`));
    const payments = () =>
      some(24, (n) => aPayment(`m${n}`, `p${random(10)}`, `${random(2_000) - 500}.${random(100)}`));
    const submit = () => {
      const query = random(2) === 0 ? 'deletes=apply' : 'mode=partial';
      return random(2) === 0
        ? sender.submit('patients', patients(), query)
        : sender.submit('payments', payments(), query);
    };

    for (let round = 0; round < 10; round++) {
      const sent = await Promise.all(Array.from({ length: 6 }, submit));
      const watched = sent.map(async (job): Promise<JobView> => {
        const finished = await sender.finished(job);
        await expectLinksToHold(sender);
        return finished;
      });
      for (const job of await Promise.all(watched)) expect(['completed', 'superseded']).toContain(job.status);
    }

    const lastPatients = patients();
    const lastPayments = payments();
    await Promise.all([
      mirror('patients', lastPatients, 'deletes=apply'),
      mirror('payments', lastPayments, 'deletes=apply'),
    ]);
    await expectLinksToHold(sender);
    const known = lastPatients.map(({ externalId }) => externalId);
    expect((await sender.list('patients')).map(({ externalId }) => externalId)).toEqual(known.toSorted());
    const visible = lastPayments
      .filter(({ patientId }) => known.includes(patientId))
      .map(({ externalId }) => externalId);
    expect((await sender.list('payments')).map(({ externalId }) => externalId)).toEqual(visible.toSorted());
  });
});

function patientsOf(sender: Sender): Promise<PatientView[]> {
  return sender.list<PatientView>('patients');
}

/**
 * Checks what must hold after every job: a live patient has the sum and number of its live payments, a deleted one has
 * no totals, and a live payment is linked to the live patient with its external id, or to none if there is none.
 */
async function expectLinksToHold(sender: Sender): Promise<void> {
  const wrong = await sender.server.query(
    `with patients as (select p.* from patient p join source s on s.id = p.source_id where s.name = $1),
          payments as (select m.* from payment m join source s on s.id = m.source_id where s.name = $1),
          sums as (
            select patient_external_id, sum(amount) as total, count(*) as items
              from payments where deleted_at is null group by patient_external_id)
     select 'totals of patient ' || p.external_id as wrong
       from patients p
       left join sums on sums.patient_external_id = p.external_id
       left join patient_totals t on t.source_id = p.source_id and t.id = p.id
      where case when p.deleted_at is null
                 then (t.payments_total, t.payments_count) is distinct from (coalesce(total, 0), coalesce(items, 0))
                      or t.external_id <> p.external_id
                 else t.id is not null end
     union all
     select 'link of payment ' || m.external_id
       from payments m
       left join patients p on p.external_id = m.patient_external_id and p.deleted_at is null
      where m.deleted_at is null and m.patient_id is distinct from p.id`,
    [sender.source],
  );
  expect(wrong).toEqual([]);
}

/** Whole numbers from 0 up to, not including, `below`, the same for the same seed: a Lehmer generator. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}
