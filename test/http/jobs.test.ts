import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { signed, unsigned } from '../setup/cursors.js';
import { startTestServer, type TestServer, until } from '../setup/test-server.js';
import { openRequest } from './raw-http.js';
import { aPatient, aPayment, Sender, somePatients } from './sender.js';

const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const UUID = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/);

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server.close());

const sender = () => new Sender(server);

/** A source of three patients with a job that waits for the approval of a deletion. */
async function held() {
  const from = sender();
  await from.mirror('/patients', somePatients(3));
  const job = await from.mirror('/patients?deletes=hold', somePatients(2));
  expect(job.status).toBe('awaiting_approval');
  return { from, job };
}

async function problemOf(response: Response) {
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  return (await response.json()) as any;
}

describe('a job', () => {
  it('has the shape of the contract when it is accepted', async () => {
    const from = sender();
    const body = JSON.stringify([aPatient()]);

    const job: any = await (await from.post('/patients', body)).json();

    const self = `/sync/jobs/${job.id}`;
    expect(job).toMatchObject({
      id: UUID,
      source: from.source,
      resource: 'patients',
      mode: 'full',
      dryRun: false,
      status: 'queued',
      progress: { phase: null, processed: 0, percent: 0 },
      counts: {
        received: 0,
        created: 0,
        updated: 0,
        unchanged: 0,
        deleted: 0,
        rejected: 0,
        retained: 0,
        unresolved: 0,
      },
      plan: null,
      error: null,
      warnings: [],
      snapshot: {
        bytes: body.length,
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        contentType: 'application/json',
      },
      submittedAt: INSTANT,
      startedAt: null,
      finishedAt: null,
      links: { self, errors: `${self}/errors`, changes: `${self}/changes`, plan: null, snapshot: `${self}/snapshot` },
    });
  });

  it('has the same keys at its end, and the counts of what it did', async () => {
    const from = sender();
    const accepted: any = await (await from.post('/patients', [aPatient(), {}])).json();

    const job: any = await from.settled(accepted.id);

    expect(Object.keys(job)).toEqual(Object.keys(accepted));
    expect(job).toMatchObject({
      status: 'completed',
      progress: { phase: null, processed: 2, percent: 100 },
      counts: {
        received: 2,
        created: 1,
        updated: 0,
        unchanged: 0,
        deleted: 0,
        rejected: 1,
        retained: 0,
        unresolved: 0,
      },
      startedAt: INSTANT,
      finishedAt: INSTANT,
      snapshot: accepted.snapshot,
      submittedAt: accepted.submittedAt,
    });
    expect(job.submittedAt <= job.startedAt && job.startedAt <= job.finishedAt).toBe(true);
  });

  it('is the same in the list as on its own', async () => {
    const from = sender();
    const job = await from.mirror('/patients?mode=partial', [aPatient()]);

    expect(await from.jobs()).toEqual([job]);
    expect(await from.get(`/sync/jobs/${job.id}`)).toEqual(job);
  });

  it('that is a dry run says what would happen', async () => {
    const from = sender();
    await from.mirror('/patients', somePatients(2));

    const job = await from.mirror('/patients?dryRun=true', [aPatient(), aPatient({ externalId: '9' })]);

    expect(job).toMatchObject({
      status: 'completed',
      dryRun: true,
      counts: { received: 2, created: 1, unchanged: 1, deleted: 1 },
      plan: {
        create: 1,
        update: 0,
        delete: 1,
        unchanged: 1,
        live: 2,
        held: false,
        reason: null,
        sample: ['2'],
        listed: 2,
      },
    });
    expect(await from.patientIds()).toEqual(['1', '2']);
  });
});

describe('the list of jobs', () => {
  let from: Sender;
  let ids: string[];

  beforeAll(async () => {
    from = sender();
    const paths = ['/patients', '/payments', '/patients?mode=partial', '/payments', '/patients'];
    ids = [];
    for (const path of paths) ids.unshift((await from.mirror(path, [])).id);
    ids.unshift((await from.mirror('/patients', '[{')).id);
  });

  it('is newest first', async () => {
    expect((await from.jobs()).map(({ id }) => id)).toEqual(ids);
  });

  it.each([
    ['resource=payments', [2, 4]],
    ['resource=patients&status=completed', [1, 3, 5]],
    ['status=failed', [0]],
    ['status=queued', []],
    ['resource=payments&status=failed', []],
  ])('can be filtered by %s', async (query, places) => {
    const { items, nextCursor } = await from.get(`/sync/jobs?${query}`);

    expect(items.map(({ id }: { id: string }) => id)).toEqual(places.map((place) => ids[place]));
    expect(nextCursor).toBeNull();
  });

  it('can be filtered by source', async () => {
    expect((await server.get(`/sync/jobs?source=${from.source}`)).items).toHaveLength(ids.length);
    expect((await server.get('/sync/jobs?source=nobody')).items).toEqual([]);
  });

  it.each([1, 2, 4, 6, 7])('can be read in pages of %i, by cursor and by Link', async (limit) => {
    const seen: string[] = [];
    let path: string | null = `/sync/jobs?limit=${limit}`;
    for (let page = 0; path !== null && page < 10; page++) {
      const response = await from.fetch(path);
      const { items, nextCursor }: any = await response.json();
      seen.push(...items.map(({ id }: { id: string }) => id));
      const link = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1] ?? null;
      expect(link === null).toBe(nextCursor === null);
      if (link) expect(new URL(link, server.url).searchParams.get('cursor')).toBe(nextCursor);
      path = link;
    }
    expect(seen).toEqual(ids);
  });

  it.each([
    'status=done',
    'status=',
    'status=failed&status=queued',
    'resource=nonsense',
    'resource=',
    'source=a%20b',
    'limit=0',
    'limit=1001',
    'limit=abc',
    'limit=1.5',
    'limit=-1',
    'limit=',
    'limit=1&limit=2',
    'cursor=',
    'cursor=nonsense',
    'cursor=%00',
    'foo=1',
  ])('refuses %s', async (query) => {
    const response = await from.fetch(`/sync/jobs?${query}`);

    expect(response.status).toBe(400);
    const { errors } = await problemOf(response);
    expect(new Set(errors.map((error: { parameter: string }) => error.parameter))).toEqual(
      new Set([query.split('=')[0]]),
    );
  });

  it('refuses a cursor of another list', async () => {
    const { nextCursor } = await from.get('/sync/jobs?limit=1');
    const forged = unsigned('jobs', "' or 1=1");

    expect((await from.fetch(`/patients?cursor=${nextCursor}`)).status).toBe(400);
    expect((await from.fetch(`/sync/jobs?cursor=${forged}`)).status).toBe(400);
  });
});

describe('a job that does not exist', () => {
  const PATHS = ['', '/errors', '/changes', '/snapshot', '/events'];
  const VERBS = ['approve', 'reject', 'cancel', 'replay'];

  it.each([randomUUID(), 'nonsense', '0', '%27', '%00', 'a%2Fb', 'x'.repeat(3000)])('is a 404: %s', async (id) => {
    for (const path of PATHS) {
      const response = await server.fetch(`/sync/jobs/${id}${path}`);
      expect({ path, status: response.status }).toEqual({ path, status: 404 });
      expect(await problemOf(response)).toMatchObject({ status: 404 });
    }
    for (const verb of VERBS) expect((await sender().decide(id, verb)).status).toBe(404);
  });

  it('is also any job of another source', async () => {
    const { from, job } = await held();
    const other = sender();

    for (const path of PATHS) expect((await other.fetch(`/sync/jobs/${job.id}${path}`)).status).toBe(404);
    for (const verb of VERBS) {
      const [foreign, none] = [await other.decide(job.id, verb), await other.decide(randomUUID(), verb)];
      expect(foreign.status).toBe(404);
      expect(await foreign.json()).toEqual(await none.json());
    }
    expect(await other.jobs()).toEqual([]);
    expect((await from.get(`/sync/jobs/${job.id}`)).status).toBe('awaiting_approval');
  });
});

describe('the errors of a job', () => {
  const rejected = Array.from({ length: 7 }, (_, index) => ({ externalId: `r${index}`, firstName: '', lastName: 'x' }));

  it('are paged in the order of the snapshot', async () => {
    const from = sender();
    const { links } = await from.mirror(
      '/patients',
      rejected.flatMap((record) => [aPatient({ externalId: `ok ${record.externalId}` }), record]),
    );
    const seen: unknown[] = [];

    let cursor = '';
    do {
      const page: any = await from.get(`${links.errors}?limit=3${cursor && `&cursor=${cursor}`}`);
      seen.push(...page.items);
      cursor = page.nextCursor ?? '';
    } while (cursor);

    expect(seen).toEqual(
      rejected.map((data, place) => ({
        index: 2 * place + 1,
        externalId: data.externalId,
        status: 'fail',
        code: 'invalid_record',
        data,
        errors: { firstName: [expect.any(String)] },
      })),
    );
  });

  it('list rejected, duplicate and unresolved records together, in one order', async () => {
    const from = sender();
    await from.mirror('/patients', [aPatient()]);

    const job = await from.mirror('/payments', [
      aPayment({ externalId: 'a', patientId: 'gone' }),
      aPayment({ externalId: 'b' }),
      aPayment({ externalId: 'b', amount: '2' }),
      aPayment({ externalId: 'c', amount: 'x' }),
      aPayment({ externalId: 'd', patientId: 'gone' }),
    ]);

    expect(job.counts).toEqual({
      received: 5,
      created: 3,
      updated: 0,
      unchanged: 0,
      deleted: 0,
      rejected: 2,
      retained: 0,
      unresolved: 2,
    });
    const { items } = await from.get(job.links.errors);
    expect(
      items.map(({ index, code, externalId, errors }: any) => [index, code, externalId, Object.keys(errors)[0]]),
    ).toEqual([
      [0, 'unresolved_patient', 'a', 'patientId'],
      [1, 'duplicate_external_id', 'b', 'externalId'],
      [3, 'invalid_record', 'c', 'amount'],
      [4, 'unresolved_patient', 'd', 'patientId'],
    ]);
  });

  it('can be read all at once as NDJSON, with exact numbers', async () => {
    const from = sender();
    const records = Array.from(
      { length: 1200 },
      (_, index) => `{"externalId":${index},"patientId":"1","amount":1.00000000000000000001}`,
    );
    const { links } = await from.mirror('/payments', `[${records.join()}]`);

    const response = await from.fetch(links.errors, { headers: { Accept: 'application/x-ndjson' } });
    const lines = (await response.text()).trimEnd().split('\n');

    expect(response.headers.get('content-type')).toMatch(/^application\/x-ndjson/);
    expect(lines.map((line) => JSON.parse(line).index)).toEqual(records.map((_, index) => index));
    expect(lines[7]).toContain('"amount":1.00000000000000000001');
  });

  it('can be read as CSV in which no cell is a formula', async () => {
    const from = sender();
    const { links } = await from.mirror('/patients', [
      { externalId: '=HYPERLINK("http://evil")', firstName: 'a "quoted", name' },
      { externalId: '+1' },
      { externalId: '@x' },
    ]);

    const response = await from.fetch(links.errors, { headers: { Accept: 'text/csv' } });
    const text = await response.text();

    expect(response.headers.get('content-type')).toMatch(/^text\/csv/);
    expect(text.split('\n')[0]).toBe('index,externalId,status,code,errors,data');
    expect(text).toContain(`0,"'=HYPERLINK(""http://evil"")",fail,invalid_record,`);
    expect(text).toMatch(/^1,'\+1,fail/m);
    expect(text).toMatch(/^2,'@x,fail/m);
    expect(text).toContain(String.raw`\""quoted\""`);
  });

  it('are a page of JSON for any other Accept', async () => {
    const from = sender();
    const { links } = await from.mirror('/patients', [{}]);

    for (const accept of ['*/*', 'application/json', 'text/html, */*;q=0.1', 'image/png']) {
      expect(await from.get(links.errors, { Accept: accept })).toMatchObject({
        items: [{ index: 0 }],
        nextCursor: null,
      });
    }
  });

  it('are empty for a job without any, in every format', async () => {
    const from = sender();
    const { links } = await from.mirror('/patients', [aPatient()]);

    expect(await from.get(links.errors)).toEqual({ items: [], nextCursor: null });
    expect(await (await from.fetch(links.errors, { headers: { Accept: 'application/x-ndjson' } })).text()).toBe('');
  });

  it('refuse cursors of other lists and forged ones', async () => {
    const from = sender();
    const { id, links } = await from.mirror('/patients', [{}, {}]);
    const { nextCursor } = await from.get(`${links.errors}?limit=1`);
    const other = await from.mirror('/patients', [{}, {}]);

    for (const cursor of [
      'x',
      unsigned(`errors of ${id}`, '0'),
      signed(server, `errors of ${id}`),
      signed(server, `errors of ${id}`, '0', '1'),
      signed(server, `changes of ${id}`, '0'),
      signed(server, 'jobs', '0'),
    ]) {
      expect((await from.fetch(`${links.errors}?cursor=${cursor}`)).status).toBe(400);
    }
    expect((await from.fetch(`${links.errors}?cursor=${nextCursor}`)).status).toBe(200);
    expect((await from.fetch(`${other.links.errors}?cursor=${nextCursor}`)).status).toBe(400);
  });
});

describe('the events of a job', () => {
  it('end with the job', async () => {
    const from = sender();
    const accepted: any = await (await from.post('/patients', somePatients(20_000))).json();

    const response = await from.fetch(`/sync/jobs/${accepted.id}/events`);
    const events = (await response.text()).split('\n\n').filter((event) => event !== '' && !event.startsWith(':'));

    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(response.headers.get('cache-control')).toContain('no-cache');
    for (const event of events) expect(event).toMatch(/^event: job\ndata: \{.*\}$/);
    expect(JSON.parse(events.at(-1)?.split('data: ')[1] ?? '')).toEqual(await from.get(`/sync/jobs/${accepted.id}`));
  });

  it('of an ended job are its last event only', async () => {
    const from = sender();
    const job = await from.mirror('/patients', []);

    const text = await (await from.fetch(`/sync/jobs/${job.id}/events`)).text();

    expect(text).toBe(`event: job\ndata: ${JSON.stringify(job)}\n\n`);
  });

  it('continue while a job waits for approval, and report its end', async () => {
    const { from, job } = await held();
    const response = await from.fetch(`/sync/jobs/${job.id}/events`);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader?.read())?.value).toContain('"status":"awaiting_approval"');

    await from.decide(job.id, 'approve');

    let rest = '';
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) rest += part.value;
    expect(rest).toContain('"status":"completed"');
  });

  it('may be disconnected at any time', async () => {
    const { from, job } = await held();
    const abort = new AbortController();
    await from.fetch(`/sync/jobs/${job.id}/events`, { signal: abort.signal });

    abort.abort();

    expect((await from.decide(job.id, 'cancel')).status).toBe(200);
  });
});

describe('waiting for a job', () => {
  it('ends with the job', async () => {
    const from = sender();
    const { id }: any = await (await from.post('/patients', [aPatient()])).json();

    const response = await from.fetch(`/sync/jobs/${id}`, { headers: { Prefer: 'wait=20' } });

    expect(response.status).toBe(200);
    expect(response.headers.get('preference-applied')).toBe('wait=20');
    expect(await response.json()).toMatchObject({ status: 'completed' });
  });

  it('ends when the time is up, with the job as it is then', async () => {
    const { from } = await held();
    const { id }: any = await (await from.post('/patients?mode=partial', [])).json();
    const begun = Date.now();

    const response = await from.fetch(`/sync/jobs/${id}`, { headers: { Prefer: 'wait=1' } });

    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ status: 'queued' });
    expect(Date.now() - begun).toBeGreaterThanOrEqual(950);
  });
});

describe('a held job', () => {
  it('shows its plan and changes nothing', async () => {
    const { from, job } = await held();

    expect(job).toMatchObject({
      finishedAt: null,
      plan: {
        create: 0,
        update: 0,
        delete: 1,
        unchanged: 2,
        live: 3,
        held: true,
        reason: expect.any(String),
        sample: ['3'],
        listed: 1,
      },
    });
    expect(Object.keys(job.plan ?? {}).toSorted()).toEqual([
      'create',
      'delete',
      'held',
      'listed',
      'live',
      'reason',
      'sample',
      'unchanged',
      'update',
    ]);
    expect(await from.patientIds()).toEqual(['1', '2', '3']);
  });

  it('is applied once it is approved', async () => {
    const { from, job } = await held();

    const response = await from.decide(job.id, 'approve', { Prefer: 'wait=20' });

    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ status: 'completed', counts: { deleted: 1, unchanged: 2 } });
    expect(await from.patientIds()).toEqual(['1', '2']);
  });

  it.each([
    ['reject', 'rejected'],
    ['cancel', 'cancelled'],
  ])('ends without effect by %s', async (verb, status) => {
    const { from, job } = await held();

    const response = await from.decide(job.id, verb);

    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ status, finishedAt: INSTANT });
    expect(await from.patientIds()).toEqual(['1', '2', '3']);
  });

  it('is named by the jobs that wait for it', async () => {
    const from = sender();
    await from.mirror('/patients', [aPatient()]);
    const held = await from.mirror('/patients?deletes=hold', [aPatient({ externalId: '2' })]);
    const first: any = await (await from.post('/patients?mode=partial', [aPatient()])).json();
    await from.post('/patients?mode=partial', [aPatient()]);

    const behind = { id: held.id, status: 'awaiting_approval' };
    expect((await from.get(`/sync/jobs/${first.id}`)).waiting).toEqual({ behind, retry: null });
    expect((await from.jobs()).map(({ waiting }) => waiting?.behind?.id ?? null)).toEqual([
      held.id,
      held.id,
      null,
      null,
    ]);
    await from.decide(held.id, 'reject');
    expect(await from.settled(first.id)).toMatchObject({ status: 'completed', waiting: null });
  });

  it('makes a partial job wait until it is decided', async () => {
    const { from, job } = await held();
    const partial: any = await (await from.post('/patients?mode=partial', [aPatient({ externalId: '9' })])).json();
    await delay(300);
    expect((await from.get(`/sync/jobs/${partial.id}`)).status).toBe('queued');

    await from.decide(job.id, 'approve');

    expect(await from.settled(partial.id)).toMatchObject({ status: 'completed', counts: { created: 1 } });
    expect(await from.patientIds()).toEqual(['1', '2', '9']);
  });

  it('does not make dry runs, other resources or other sources wait', async () => {
    const { from } = await held();

    expect(await from.mirror('/patients?dryRun=true', [])).toMatchObject({ status: 'completed', plan: { held: true } });
    expect(await from.mirror('/payments', [])).toMatchObject({ status: 'completed' });
    expect(await sender().mirror('/patients', [])).toMatchObject({ status: 'completed' });
  });

  it('is superseded by a newer full snapshot, and can then no longer be approved', async () => {
    const { from, job } = await held();

    await from.mirror('/patients', somePatients(4));

    expect(await from.get(`/sync/jobs/${job.id}`)).toMatchObject({ status: 'superseded', finishedAt: INSTANT });
    expect((await from.decide(job.id, 'approve')).status).toBe(409);
    expect(await from.patientIds()).toEqual(['1', '2', '3', '4']);
  });

  it('is not superseded by a partial snapshot or a dry run', async () => {
    const { from, job } = await held();

    await from.mirror('/patients?dryRun=true', []);
    await from.post('/patients?mode=partial', []);

    expect(await from.get(`/sync/jobs/${job.id}`)).toMatchObject({ status: 'awaiting_approval' });
  });

  it('can be decided only once: of concurrent decisions one takes effect', async () => {
    const { from, job } = await held();

    const answers = await Promise.all(
      ['reject', 'cancel', 'reject', 'cancel'].map((verb) => from.decide(job.id, verb)),
    );

    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409, 409, 409]);
  });
});

describe('a decision that is no longer possible', () => {
  it.each(['approve', 'reject', 'cancel'])('is a 409: %s of an ended job', async (verb) => {
    const from = sender();
    const { id } = await from.mirror('/patients', [aPatient()]);
    const failed = await from.mirror('/patients', '[{');

    for (const job of [id, failed.id]) {
      const response = await from.decide(job, verb);
      expect(response.status).toBe(409);
      expect(await problemOf(response)).toMatchObject({ status: 409, code: 'wrong_status' });
    }
    expect((await from.get(`/sync/jobs/${id}`)).status).toBe('completed');
  });

  it('is a 409: approval or rejection of a queued job, which can be cancelled', async () => {
    const { from } = await held();
    const { id }: any = await (await from.post('/patients?mode=partial', [aPatient({ externalId: '9' })])).json();

    expect((await from.decide(id, 'approve')).status).toBe(409);
    expect((await from.decide(id, 'reject')).status).toBe(409);
    expect(await (await from.decide(id, 'cancel')).json()).toMatchObject({ id, status: 'cancelled' });
    expect(await from.patientIds()).toEqual(['1', '2', '3']);
  });

  it.each(['approve', 'reject', 'cancel', 'replay'])('is a 400 with an unknown parameter: %s', async (verb) => {
    const { from, job } = await held();

    const response = await from.decide(job.id, `${verb}?force=1`);

    expect(response.status).toBe(400);
    expect(await problemOf(response)).toMatchObject({ errors: [{ parameter: 'force' }] });
  });
});

describe('a replay', () => {
  it('is a new job from the kept bytes', async () => {
    const from = sender();
    const first = await from.mirror('/patients', somePatients(2));
    await from.mirror('/patients?deletes=apply', somePatients(1));

    const response = await from.decide(first.id, 'replay', { Prefer: 'wait=20' });
    const job: any = await response.json();

    expect(response.status).toBe(200);
    expect(response.headers.get('location')).toBe(`/sync/jobs/${job.id}`);
    expect(job).toMatchObject({
      status: 'completed',
      counts: { received: 2, created: 1, unchanged: 1 },
      snapshot: first.snapshot,
    });
    expect(job.id).not.toBe(first.id);
    expect(await from.patientIds()).toEqual(['1', '2']);
  });

  it('is answered with 202 and its Location without Prefer: wait', async () => {
    const from = sender();
    const first = await from.mirror('/patients', somePatients(2));

    const response = await from.decide(first.id, 'replay');
    const job: any = await response.json();

    expect(response.status).toBe(202);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await from.settled(job.id)).toMatchObject({ status: 'completed', counts: { unchanged: 2 } });
  });

  it('is held, and supersedes, like any other job', async () => {
    const { from, job } = await held();
    const first = (await from.jobs()).at(-1);
    await from.mirror('/patients', somePatients(200));

    const again: any = await (await from.decide(first?.id ?? '', 'replay', { Prefer: 'wait=20' })).json();

    expect((await from.get(`/sync/jobs/${job.id}`)).status).toBe('superseded');
    expect(again).toMatchObject({ status: 'awaiting_approval', plan: { delete: 197 } });
  });

  it('is a 410 once the bytes are deleted, and so is the download', async () => {
    const from = sender();
    const { id, links } = await from.mirror('/patients', somePatients(2));
    await server.query(
      `with purged as (update snapshot set purged_at = now() where id = (select snapshot_id from sync_job where id = $1) returning id)
       delete from snapshot_chunk using purged where snapshot_id = purged.id`,
      [id],
    );

    for (const response of [await from.decide(id, 'replay'), await from.fetch(String(links.snapshot))]) {
      expect(response.status).toBe(410);
      expect(await problemOf(response)).toMatchObject({ status: 410, code: 'snapshot_gone' });
    }
    expect(await from.jobs()).toHaveLength(1);
    expect((await from.get(`/sync/jobs/${id}`)).snapshot).toMatchObject({ bytes: expect.any(Number) });
  });
});

describe('the rows of one source', () => {
  it('are separate from those of another: never read, updated, deleted or summed with them', async () => {
    const [one, other] = [sender(), sender()];
    await one.mirror('/patients', somePatients(3));
    await one.mirror('/payments', [aPayment()]);
    await other.mirror('/patients', [aPatient({ firstName: 'Other' }), aPatient({ externalId: 'only' })]);

    await other.mirror('/payments', [aPayment({ amount: '5' }), aPayment({ externalId: '2', patientId: '3' })]);
    await other.mirror('/patients?deletes=apply', [aPatient({ firstName: 'Other' })]);

    expect(await one.patientIds()).toEqual(['1', '2', '3']);
    expect(await one.get('/patients/1')).toMatchObject({ firstName: 'Rick', paymentsTotal: '1.00' });
    expect(await other.get('/patients/1')).toMatchObject({ firstName: 'Other', paymentsTotal: '5.00' });
    expect((await one.fetch('/patients/only')).status).toBe(404);
    expect((await other.get('/payments')).items).toHaveLength(1);
    expect((await sender().get('/patients')).items).toEqual([]);
  });
});

describe('a server that is closed', () => {
  it('does not wait for clients that watch its jobs', async () => {
    const closing = await startTestServer();
    const from = new Sender(closing);
    await from.mirror('/patients', somePatients(3));
    const { id } = await from.mirror('/patients?deletes=hold', []);
    const events = openRequest(closing, 'GET', `/sync/jobs/${id}/events`, { 'X-Source': from.source });
    events.stream.end();
    const partial: any = await (await from.post('/patients?mode=partial', [])).json();
    const waiting = from.fetch(`/sync/jobs/${partial.id}`, { headers: { Prefer: 'wait=30' } }).catch(() => null);
    await delay(200);
    const begun = Date.now();

    await closing.close();

    expect(Date.now() - begun).toBeLessThan(25_000);
    await waiting;
    await until('the stream has ended', () => events.stream.closed || events.stream.destroyed);
  });
});
