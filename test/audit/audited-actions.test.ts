import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory, Reflector } from '@nestjs/core';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { AuditGuard } from '../../src/audit/audit.guard.js';
import { AuditLog } from '../../src/audit/audit-log.js';
import { Audited, subjectOf } from '../../src/audit/audited.js';
import { ProblemFilter } from '../../src/http/problem.filter.js';
import { Refusal } from '../../src/http/refusal.js';
import { aLine } from '../claims/biller.js';
import { aPatient, aPayment, Sender, somePatients } from '../http/sender.js';
import { startTestServer, type TestServer, until } from '../setup/test-server.js';
import { entriesAfter, entriesOf, type Entry, keyOf, lastSeq } from './auditor.js';

@Controller('guarded')
class GuardedController {
  @Get(':id')
  @Audited('thing.read', { subject: subjectOf('thing') })
  get(): string {
    return 'never';
  }
}

@Module({ controllers: [GuardedController] })
class Guarded {}

/**
 * The ledger is append-only itself and records who posted what. The audit log is a single chain: with an entry for each
 * deposit, all deposits would wait for it.
 */
const LOGGED_ELSEWHERE = /^\/api\/(accounts|transfers)\b/;

/** Values that no entry may contain: names, amounts, dates of birth, searches. */
const PLANTED = ['Pheasant', 'Quill', '1977-07-07', '987.65', 'pheas', 'hooks.example', 'for the planted'];

let server: TestServer;
let sender: Sender;

beforeAll(async () => {
  server = await startTestServer({ WEBHOOK_TARGETS: 'any', AUTH: 'keys' });
  Object.assign(server.headers, await keyOf(server, 'operator'));
});

beforeEach(() => {
  sender = new Sender(server);
});

afterAll(() => server.close());

const pheasant = aPatient({ externalId: '5', firstName: 'Pheasant', lastName: 'Quill', dateOfBirth: '1977-07-07' });
const amount = aPayment({ externalId: '9', patientId: '5', amount: '987.65' });

/** Sends two patients and a payment, and a snapshot that waits for approval. */
async function someData(): Promise<{ patients: string; held: string }> {
  const job = await sender.mirror('/patients', [pheasant, aPatient({ externalId: '6', dateOfBirth: '1800-01-01' })]);
  await sender.mirror('/payments', [amount]);
  const held = await sender.mirror('/patients', []);
  return { patients: job.id, held: held.id };
}

function brief({ action, subject, items, outcome, status, source }: Entry): unknown[] {
  return [action, subject, items, outcome, status, source];
}

async function expectEntry(act: () => Promise<unknown>, ...entry: unknown[]): Promise<void> {
  const entries = await entriesOf(server, act);
  expect(entries.map(brief)).toEqual([[...entry, sender.source]]);
}

describe('a read', () => {
  it.each([
    ['/patients/5', 'patients.read', 'patients:5', null],
    ['/patients/5/history', 'patients.history_read', 'patients:5', 1],
    ['/patients/5/payments', 'payments.listed', 'patients:5', 1],
    ['/payments/9/history', 'payments.history_read', 'payments:9', 1],
    ['/payments?external_id=5', 'payments.listed', 'patients:5', 1],
    ['/payments?payment_external_id=9', 'payments.listed', 'payments:9', 1],
    ['/payments', 'payments.listed', 'patients:5', 1],
    ['/patients?q=pheas&sort=lastName', 'patients.listed', 'patients:5', 1],
    ['/patients?q=nobody', 'patients.listed', null, 0],
    ['/changes', 'changes.read', null, 2],
    ['/audit?limit=3', 'audit.read', null, 3],
  ])('of %s adds one entry', async (path, action, subject, items) => {
    await someData();

    await expectEntry(() => sender.get(path), action, subject, items, 'allowed', 200);
  });

  it.each([
    ['errors', 'application/json', 'job.errors_read', 1],
    ['errors', 'text/csv', 'job.errors_exported', null],
    ['errors', 'application/x-ndjson', 'job.errors_exported', null],
    ['changes', 'application/json', 'job.changes_read', 1],
    ['changes', 'text/csv', 'job.changes_exported', null],
    ['snapshot', '*/*', 'job.snapshot_read', null],
  ])('of the %s of a job as %s adds one entry', async (what, type, action, items) => {
    const { patients } = await someData();

    const read = async () =>
      (await sender.fetch(`/sync/jobs/${patients}/${what}`, { headers: { Accept: type } })).text();
    await expectEntry(read, action, `job:${patients}`, items, 'allowed', 200);
  });

  it('of the whole audit log adds one entry', async () => {
    const read = () => sender.fetch('/audit?action=patients.read', { headers: { Accept: 'text/csv' } });

    await expectEntry(read, 'audit.exported', null, null, 'allowed', 200);
  });

  it.each([
    ['/patients?limit=5', 5],
    ['/patients?payment_min=0&limit=2', 2],
    ['/patients?q=first', 8],
  ])('of %s, which names few people, adds an entry about each of them', async (path, count) => {
    await sender.mirror(
      '/patients',
      somePatients(8).map((patient) => ({ ...patient, firstName: 'Firstone' })),
    );

    const entries = await entriesOf(server, () => sender.get(path));

    expect(entries.map(brief)).toEqual(
      Array.from({ length: count }, (_, index) => [
        'patients.listed',
        `patients:${index + 1}`,
        1,
        'allowed',
        200,
        sender.source,
      ]),
    );
    const { items } = await server.get('/audit?subject=patients:2&limit=1');
    expect(items).toMatchObject([{ action: 'patients.listed', source: sender.source }]);
  });

  it('of a few payments adds an entry about each of their patients, with the number of payments', async () => {
    await sender.mirror('/patients', somePatients(2));
    await sender.mirror('/payments', [
      aPayment({ externalId: 'a', patientId: '1' }),
      aPayment({ externalId: 'b', patientId: '2' }),
      aPayment({ externalId: 'c', patientId: '1' }),
    ]);

    const entries = await entriesOf(server, () => sender.get('/payments'));

    expect(entries.map(({ subject, items }) => `${subject} ${items}`).toSorted()).toEqual([
      'patients:1 2',
      'patients:2 1',
    ]);
  });

  it('of a page of many people adds one entry without their names', async () => {
    await sender.mirror('/patients', somePatients(6));

    await expectEntry(() => sender.get('/patients'), 'patients.listed', null, 6, 'allowed', 200);
  });

  it('of a page is refused while as many entries wait as may', async () => {
    await sender.mirror('/patients', somePatients(6));
    const blocker = new pg.Client(server.databaseUrl);
    await blocker.connect();
    await blocker.query('begin; select from audit_chain for update');
    const entry = { keyId: null, source: null, subject: null, items: null, address: null, requestId: null };
    const log = server.app.get(AuditLog);
    const filling = Array.from({ length: 5_600 }, () =>
      log.writeSoon({ ...entry, actor: 'a test', action: 'filling', outcome: 'allowed', status: null }),
    );
    const filled = Promise.allSettled(filling);

    const page = await sender.fetch('/patients');
    await blocker.query('rollback');
    await blocker.end();

    expect(page.status).toBe(503);
    expect(page.headers.get('retry-after')).toBe('2');
    await filled;
    await until('pages are served again', async () => (await sender.fetch('/patients')).ok);
  });

  it('of an empty page of the feed adds none', async () => {
    expect(await entriesOf(server, () => sender.get('/changes?after=latest'))).toEqual([]);
  });

  it('of claims adds one entry', async () => {
    const { id } = await sender.post('/claims', aLine()).then((response) => response.json() as any);

    await expectEntry(() => sender.get('/claims'), 'claims.listed', null, 1, 'allowed', 200);
    await expectEntry(() => sender.get(`/claims/${id}`), 'claim.read', `claim:${id}`, null, 'allowed', 200);
    expect(await entriesOf(server, () => sender.get('/providers/top'))).toEqual([]);
  });

  it('of jobs, health and metrics adds none', async () => {
    const { patients } = await someData();
    const paths = ['/sync/jobs', `/sync/jobs/${patients}`, '/health', '/metrics', '/webhooks'];

    expect(await entriesOf(server, () => Promise.all(paths.map((path) => sender.fetch(path))))).toEqual([]);
  });

  it.each(['/patients/404', '/patients/404/payments', '/patients/404/history'])(
    'of %s, who does not exist, adds a refused entry',
    async (path) => {
      const [entry] = await entriesOf(server, () => sender.fetch(path));

      expect(entry).toMatchObject({ subject: 'patients:404', outcome: 'refused', status: 404 });
    },
  );

  it('with an invalid id adds an entry, too', async () => {
    const ids = ['%00', 'x'.repeat(4000)];

    const entries = await entriesOf(server, () => Promise.all(ids.map((id) => sender.fetch(`/patients/${id}`))));

    expect(entries.map(({ outcome }) => outcome)).toEqual(['refused', 'refused']);
    expect(entries.map(({ subject }) => subject?.length).toSorted((a, b) => Number(a) - Number(b))).toEqual([10, 300]);
  });
});

describe('a change', () => {
  it('by a snapshot adds one entry with the job, without waiting for its end', async () => {
    let id = '';
    const act = async () => {
      id = (await sender.mirror('/patients', somePatients(3))).id;
    };

    const entries = await entriesOf(server, act);

    expect(entries.map(brief)).toEqual([['snapshot.submitted', `job:${id}`, null, 'allowed', 202, sender.source]]);
  });

  it('by a claim adds one entry, with the claim, or without an id if it is refused', async () => {
    let id = '';
    const act = async () => {
      id = ((await (await sender.post('/claims', aLine())).json()) as any).id;
    };

    const entries = await entriesOf(server, act);

    expect(entries.map(brief)).toEqual([['claim.submitted', `claim:${id}`, null, 'allowed', 200, sender.source]]);
    await expectEntry(() => sender.post('/claims', []), 'claim.submitted', 'claim', null, 'refused', 422);
  });

  it('that is refused adds one entry without a job', async () => {
    const act = () => sender.post('/patients', '[', { 'Content-Encoding': 'gzip' });

    await expectEntry(act, 'snapshot.submitted', 'job', null, 'refused', 400);
  });

  it.each([
    ['approve', 'approved', 200],
    ['reject', 'rejected', 200],
    ['cancel', 'cancelled', 200],
    ['replay', 'replayed', 202],
  ])('by %s adds one entry', async (verb, past, status) => {
    const { held } = await someData();

    await expectEntry(() => sender.decide(held, verb), `job.${past}`, `job:${held}`, null, 'allowed', status);
  });

  it('by a revert adds one entry, with the job that was reverted', async () => {
    const { id } = await sender.mirror('/patients', somePatients(2));

    await expectEntry(() => sender.decide(id, 'revert'), 'job.reverted', `job:${id}`, null, 'allowed', 202);
  });

  it('in the wrong state adds a refused entry', async () => {
    const { patients } = await someData();

    const act = () => sender.decide(patients, 'approve');

    await expectEntry(act, 'job.approved', `job:${patients}`, null, 'refused', 409);
  });

  it('of webhooks adds an entry each, without the address', async () => {
    const json = { 'Content-Type': 'application/json' };
    const send = (method: string, path: string, body?: unknown) =>
      sender.fetch(path, { method, headers: json, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    let id = '';

    const entries = await entriesOf(server, async () => {
      const url = 'http://hooks.example/for the planted';
      id = ((await (await send('POST', '/webhooks', { url })).json()) as { id: string }).id;
      await send('PATCH', `/webhooks/${id}`, { description: 'for the planted' });
      await send('POST', `/webhooks/${id}/rotate-secret`);
      await send('POST', `/webhooks/${id}/replay?since=2026-01-01T00:00:00Z`);
      await send('DELETE', `/webhooks/${id}`);
      await send('DELETE', `/webhooks/${id}`);
    });

    expect(entries.map(({ action, subject, status }) => [action, subject, status])).toEqual([
      ['webhook.created', `webhook:${id}`, 201],
      ['webhook.changed', `webhook:${id}`, 200],
      ['webhook.secret_rotated', `webhook:${id}`, 200],
      ['webhook.replayed', `webhook:${id}`, 202],
      ['webhook.deleted', `webhook:${id}`, 204],
      ['webhook.deleted', `webhook:${id}`, 404],
    ]);
  });

  it('is always audited: every route that is not a read adds an entry, except those of the ledger', async () => {
    const { paths } = await server.get<{ paths: Record<string, object> }>('/openapi.json');
    const audited = Object.entries(paths).filter(([path]) => !LOGGED_ELSEWHERE.test(path));
    const routes = audited.flatMap(([path, verbs]) =>
      Object.keys(verbs)
        .filter((verb) => verb !== 'get')
        .map((verb) => [verb, path.replaceAll(/\{\w+\}/g, 'x')] as const),
    );

    for (const [method, path] of routes) {
      const entries = await entriesOf(server, () => sender.fetch(path, { method: method.toUpperCase() }));
      expect([method, path, entries.length]).toEqual([method, path, 1]);
    }
  });
});

describe('an entry', () => {
  it('records the actor, the address, the request, and the time by the clock of the database', async () => {
    await someData();
    const headers = { ...(await keyOf(server, 'nightly')), 'X-Request-Id': 'req-1' };
    const [{ before }] = await server.query('select now() as before');

    const [entry] = await entriesOf(server, () => sender.fetch('/patients/5', { headers }));

    const [{ after }] = await server.query('select now() as after');
    expect(entry).toMatchObject({
      actor: 'nightly',
      key_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      source: sender.source,
      address: '127.0.0.1',
      request_id: 'req-1',
    });
    expect([before, entry?.at, after]).toEqual([before, entry?.at, after].toSorted((a, b) => Number(a) - Number(b)));
  });

  it('contains nothing of a record, nor search terms', async () => {
    await someData();
    await sender.get('/patients?q=pheas');

    const text = JSON.stringify(await entriesAfter(server, 0));

    expect(PLANTED.filter((planted) => text.includes(planted))).toEqual([]);
  });

  it('is added when a key asks for another source than its own', async () => {
    const headers = { ...(await keyOf(server, 'bound', 'clinic')), 'X-Source': sender.source };
    await someData();
    const seq = await lastSeq(server);

    const statuses = [];
    for (const path of ['/patients/5', '/patients', '/audit'])
      statuses.push((await server.fetch(path, { headers })).status);

    expect(statuses).toEqual([404, 404, 404]);
    await until('the entries are written', async () => (await lastSeq(server)) >= seq + 3);
    const entries = await entriesAfter(server, seq);
    expect(entries.map(({ actor, action, subject }) => `${actor} ${action} ${subject}`).toSorted()).toEqual([
      'bound audit.read null',
      'bound patients.listed null',
      'bound patients.read patients:5',
    ]);
    expect(entries.map(({ outcome, status, source }) => [outcome, status, source])).toEqual(
      entries.map(() => ['refused', 404, null]),
    );
  });

  it('is added when a known key lacks the scope, but not when a key is unknown', async () => {
    const app = await NestFactory.create(Guarded, { logger: false });
    const refusals = [401, 403, 401];
    const refuse = () => {
      throw new Refusal(refusals.shift() ?? 500, 'no', 'No.');
    };
    app.useGlobalGuards(new AuditGuard(new Reflector(), server.app.get(AuditLog)), { canActivate: refuse });
    app.useGlobalFilters(new ProblemFilter());
    await app.listen(0, '127.0.0.1');
    const seq = await lastSeq(server);
    const { port } = (app.getHttpServer() as Server).address() as AddressInfo;

    for (const id of ['1', '2', '3']) await fetch(`http://127.0.0.1:${port}/guarded/${id}`);
    await until('the entry is written', async () => (await lastSeq(server)) > seq);
    await app.close();

    const entries = await entriesAfter(server, seq);
    expect(entries).toMatchObject([{ action: 'thing.read', subject: 'thing:2', outcome: 'refused', status: 403 }]);
  });
});
