import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { backendsOr, startTestServer, type TestServer } from '../setup/test-server.js';
import { aPatient, aPayment, Sender, somePatients } from './sender.js';

const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const NOBODY = '019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c';

const RICK = { firstName: 'Rick', middleName: null, lastName: 'Deckard', dateOfBirth: null };

describe.each(backendsOr('postgresql'))('on the %s queue', (backend) => {
  let server: TestServer;
  let from: Sender;

  beforeAll(async () => {
    server = await startTestServer({ backend });
  });

  afterAll(() => server.close());

  beforeEach(() => {
    from = new Sender(server);
  });

  const changesOf = async ({ id }: { id: string }) => (await from.get(`/sync/jobs/${id}/changes?limit=1000`)).items;

  describe('the changes of a job', () => {
    it('show every row before and after', async () => {
      const first = await from.mirror('/patients', [aPatient({ externalId: '5', dateOfBirth: '1994-02-01' })]);
      const second = await from.mirror('/patients', [aPatient({ externalId: '6' }), aPatient({ externalId: '7' })]);
      const third = await from.mirror('/patients', [
        aPatient({ externalId: '5' }),
        aPatient({ externalId: '6', middleName: 'M.' }),
        aPatient({ externalId: '8' }),
      ]);

      const born = { ...RICK, dateOfBirth: '1994-02-01' };
      expect(await changesOf(first)).toEqual([{ externalId: '5', operation: 'created', before: null, after: born }]);
      expect(await changesOf(second)).toEqual([
        { externalId: '5', operation: 'deleted', before: born, after: null },
        { externalId: '6', operation: 'created', before: null, after: RICK },
        { externalId: '7', operation: 'created', before: null, after: RICK },
      ]);
      expect(await changesOf(third)).toEqual([
        { externalId: '5', operation: 'restored', before: null, after: RICK },
        { externalId: '6', operation: 'updated', before: RICK, after: { ...RICK, middleName: 'M.' } },
        { externalId: '7', operation: 'deleted', before: RICK, after: null },
        { externalId: '8', operation: 'created', before: null, after: RICK },
      ]);
    });

    it('stay the same, whatever happens to the rows afterwards', async () => {
      const job = await from.mirror('/patients', somePatients(3));
      const before = await changesOf(job);

      await from.mirror('/patients', [aPatient({ firstName: 'Roy' }), aPatient({ externalId: '2' })]);
      await from.mirror('/patients', [aPatient({ firstName: 'Pris' }), aPatient({ externalId: '3' })]);

      expect(await changesOf(job)).toEqual(before);
    });

    it('show money exactly, and payments without a known patient as they were sent', async () => {
      const sent = aPayment({ patientId: 'nobody', amount: '999999999999999.9999' });
      const first = await from.mirror('/payments', [sent, aPayment({ externalId: '2', amount: 7.1 })]);
      const second = await from.mirror('/payments?mode=partial', [{ ...sent, amount: '-0.0001' }]);

      const large = { patientId: 'nobody', amount: '999999999999999.9999' };
      expect(await changesOf(first)).toEqual([
        { externalId: '1', operation: 'created', before: null, after: large },
        { externalId: '2', operation: 'created', before: null, after: { patientId: '1', amount: '7.10' } },
      ]);
      expect(await changesOf(second)).toEqual([
        { externalId: '1', operation: 'updated', before: large, after: { ...large, amount: '-0.0001' } },
      ]);
    });

    it('are empty where nothing was changed: an unchanged, dry, held or failed job', async () => {
      await from.mirror('/patients', somePatients(3));
      const jobs = [
        await from.mirror('/patients', somePatients(3)),
        await from.mirror('/patients', somePatients(3).toReversed()),
        await from.mirror('/patients?dryRun=true', somePatients(5)),
        await from.mirror('/patients?deletes=hold', somePatients(1)),
        await from.mirror('/patients', '[{'),
      ];

      for (const job of jobs) {
        expect(await from.get(`/sync/jobs/${job.id}/changes`)).toEqual({ items: [], nextCursor: null });
      }
    });

    it.each([1, 2, 3, 7, 8])('can be read in pages of %i, by cursor and by Link', async (limit) => {
      await from.mirror('/patients', somePatients(4));
      const job = await from.mirror('/patients', [
        ...[1, 3].map((n) => aPatient({ externalId: String(n), firstName: 'Roy' })),
        ...[9, 8, 7].map((n) => aPatient({ externalId: String(n) })),
      ]);
      const all = await changesOf(job);

      const seen: unknown[] = [];
      let path: string | null = `/sync/jobs/${job.id}/changes?limit=${limit}`;
      for (let page = 0; path !== null && page < 10; page++) {
        const response = await from.fetch(path);
        const { items, nextCursor }: any = await response.json();
        seen.push(...items);
        path = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1] ?? null;
        expect(path === null).toBe(nextCursor === null);
      }

      expect(all).toHaveLength(7);
      expect(seen).toEqual(all);
    });

    it('can be read all at once as NDJSON', async () => {
      const job = await from.mirror('/patients', somePatients(2_500));

      const response = await from.fetch(`/sync/jobs/${job.id}/changes`, {
        headers: { Accept: 'application/x-ndjson' },
      });

      expect(response.headers.get('content-type')).toMatch(/^application\/x-ndjson/);
      const items = (await response.text()).trimEnd().split('\n');
      expect(items).toHaveLength(2_500);
      expect(new Set(items.map((line) => JSON.parse(line).externalId)).size).toBe(2_500);
      expect(JSON.parse(items[0] ?? '')).toEqual({ externalId: '1', operation: 'created', before: null, after: RICK });
    });

    it('can be read all at once as CSV, without formulas', async () => {
      const job = await from.mirror('/patients', [aPatient({ externalId: '=1+1' })]);

      const response = await from.fetch(`/sync/jobs/${job.id}/changes`, { headers: { Accept: 'text/csv' } });

      expect(response.headers.get('content-type')).toMatch(/^text\/csv/);
      const image = JSON.stringify(RICK).replaceAll('"', '""');
      expect(await response.text()).toBe(`externalId,operation,before,after\n'=1+1,created,,"${image}"\n`);
    });

    it('are visible to the source of the job only', async () => {
      const job = await from.mirror('/patients', somePatients(1));
      const path = `/sync/jobs/${job.id}/changes`;

      expect((await new Sender(server).fetch(path)).status).toBe(404);
      expect((await from.fetch(path.replace(job.id, NOBODY))).status).toBe(404);
      expect((await from.fetch(path)).status).toBe(200);
    });

    it('hold no row of another source that was created at the same time', async () => {
      const other = new Sender(server);
      const jobs = await Promise.all(
        [from, other, from, other].map((sender, n) =>
          sender.mirror(`/${n < 2 ? 'patients' : 'payments'}?mode=partial`, manyOf(n < 2 ? aPatient : aPayment, 3_000)),
        ),
      );

      for (const [n, job] of jobs.entries()) {
        const path = `/sync/jobs/${job.id}/changes`;
        const text = await (
          await (n % 2 === 0 ? from : other).fetch(path, { headers: { Accept: 'application/x-ndjson' } })
        ).text();
        expect(text.trimEnd().split('\n')).toHaveLength(3_000);
      }
    });
  });

  describe('the history of a row', () => {
    it('says when and by which job the row changed, newest first', async () => {
      const jobs = [
        await from.mirror('/payments', [aPayment({ amount: '1' })]),
        await from.mirror('/payments', [aPayment({ amount: '2' })]),
        await from.mirror('/payments', [aPayment({ amount: '2' }), aPayment({ externalId: '2' })]),
        await from.mirror('/payments', [aPayment({ externalId: '2' })]),
        await from.mirror('/payments', [aPayment({ amount: '3', patientId: '9' }), aPayment({ externalId: '2' })]),
      ];

      const { items, nextCursor } = await from.get('/payments/1/history');

      const image = (amount: string, patientId = '1') => ({ patientId, amount });
      const by = (n: number) => ({ at: INSTANT, jobId: jobs[n]?.id, source: from.source });
      expect(items).toEqual([
        { operation: 'restored', ...by(4), before: null, after: image('3.00', '9') },
        { operation: 'deleted', ...by(3), before: image('2.00'), after: null },
        { operation: 'updated', ...by(1), before: image('1.00'), after: image('2.00') },
        { operation: 'created', ...by(0), before: null, after: image('1.00') },
      ]);
      expect(nextCursor).toBeNull();
      const times = items.map(({ at }: { at: string }) => at);
      expect(times).toEqual(times.toSorted().toReversed());
    });

    it.each([1, 2, 3, 5])('can be read in pages of %i', async (limit) => {
      for (const firstName of ['Rick', 'Roy', 'Pris', 'Zhora', 'Leon']) {
        await from.mirror('/patients', [aPatient({ firstName })]);
      }

      const names: string[] = [];
      let path: string | null = `/patients/1/history?limit=${limit}`;
      for (let page = 0; path !== null && page < 10; page++) {
        const response = await from.fetch(path);
        names.push(...((await response.json()) as any).items.map((item: any) => item.after.firstName));
        path = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1] ?? null;
      }

      expect(names).toEqual(['Leon', 'Zhora', 'Pris', 'Roy', 'Rick']);
    });

    it('exists for deleted rows too, but not for unknown rows or those of another source', async () => {
      await from.mirror('/patients', somePatients(1));
      await from.mirror('/patients?deletes=apply', []);

      expect((await from.get('/patients/1/history')).items).toMatchObject([
        { operation: 'deleted', after: null },
        { operation: 'created', before: null },
      ]);
      expect((await from.fetch('/patients/1')).status).toBe(404);
      expect((await from.fetch('/patients/2/history')).status).toBe(404);
      expect((await from.fetch('/patients/%00/history')).status).toBe(404);
      expect((await new Sender(server).fetch('/patients/1/history')).status).toBe(404);
    });
  });
});

function manyOf(make: (fields: Record<string, unknown>) => Record<string, unknown>, count: number) {
  return Array.from({ length: count }, (_, n) => make({ externalId: String(n) }));
}
