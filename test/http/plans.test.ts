import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { Cleaner } from '../../src/sync/cleaner.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { aPatient, Sender, somePatients } from './sender.js';

let server: TestServer;
let from: Sender;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server.close());

beforeEach(() => {
  from = new Sender(server);
});

/** Two of four go, one is changed, one comes. */
async function tried() {
  await from.mirror('/patients', somePatients(4));
  const next = [
    aPatient({ externalId: '1', firstName: 'Roy' }),
    aPatient({ externalId: '2' }),
    aPatient({ externalId: '9' }),
  ];
  return from.mirror('/patients?dryRun=true', next);
}

const BEFORE = { firstName: 'Rick', middleName: null, lastName: 'Deckard', dateOfBirth: null };

it('tells row by row what would change: deletions first, then by external id, in pages', async () => {
  const job = await tried();

  const first = await from.get(`/sync/jobs/${job.id}/plan?limit=3`);
  const second = await from.get(`/sync/jobs/${job.id}/plan?limit=3&cursor=${first.nextCursor}`);

  expect(job.plan).toMatchObject({ create: 1, update: 1, delete: 2, listed: 4 });
  expect([...first.items, ...second.items]).toEqual([
    { externalId: '3', operation: 'deleted', before: BEFORE, after: null },
    { externalId: '4', operation: 'deleted', before: BEFORE, after: null },
    { externalId: '1', operation: 'updated', before: BEFORE, after: { ...BEFORE, firstName: 'Roy' } },
    { externalId: '9', operation: 'created', before: null, after: BEFORE },
  ]);
  expect(second.nextCursor).toBeNull();
});

it('is given as NDJSON and as CSV too', async () => {
  const { id } = await tried();

  const ndjson = await (
    await from.fetch(`/sync/jobs/${id}/plan`, { headers: { Accept: 'application/x-ndjson' } })
  ).text();
  const csv = await (await from.fetch(`/sync/jobs/${id}/plan`, { headers: { Accept: 'text/csv' } })).text();

  expect(
    ndjson
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text).externalId),
  ).toEqual(['3', '4', '1', '9']);
  expect(csv.split('\n').slice(0, 2)).toEqual([
    'externalId,operation,before,after',
    `3,deleted,"${JSON.stringify(BEFORE).replaceAll('"', '""')}",`,
  ]);
});

it('is none of a job that was neither held nor a dry run', async () => {
  const job = await from.mirror('/patients', somePatients(1));

  const response = await from.fetch(`/sync/jobs/${job.id}/plan`);

  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ code: 'no_plan' });
});

it('is not there for another source', async () => {
  const { id } = await tried();

  expect((await new Sender(server).fetch(`/sync/jobs/${id}/plan`)).status).toBe(404);
});

it('is kept while the job waits, and for a day after it has ended', async () => {
  await from.mirror('/patients', somePatients(3));
  const held = await from.mirror('/patients', []);
  const dry = await from.mirror('/patients?dryRun=true', []);
  await server.query(
    `update sync_job set submitted_at = submitted_at - interval '25 hours',
    finished_at = finished_at - interval '25 hours' where id in ($1, $2)`,
    [held.id, dry.id],
  );

  await server.app.get(Cleaner).clean();

  expect((await from.get(`/sync/jobs/${held.id}/plan`)).items).toHaveLength(3);
  const gone = await from.fetch(`/sync/jobs/${dry.id}/plan`);
  expect(gone.status).toBe(410);
  expect(await gone.json()).toMatchObject({ code: 'plan_gone' });
});

it('is made again where another job has changed what it would do', async () => {
  await from.mirror('/patients', somePatients(3));
  const held = await from.mirror('/patients', []);
  // As an operator might: it does not wait for the job that is held.
  await server.query(
    `update patient set deleted_at = now() where external_id = '3'
    and source_id = (select id from source where name = $1)`,
    [from.source],
  );

  await from.decide(held.id, 'approve', { Prefer: 'wait=20' });

  expect(await from.settled(held.id)).toMatchObject({ status: 'awaiting_approval', plan: { delete: 2, listed: 2 } });
  const { items } = await from.get(`/sync/jobs/${held.id}/plan`);
  expect(items.map(({ externalId }: { externalId: string }) => externalId)).toEqual(['1', '2']);
});
