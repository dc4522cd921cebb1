import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory, Reflector } from '@nestjs/core';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AuditGuard } from '../../src/audit/audit.guard.js';
import { AuditLog } from '../../src/audit/audit-log.js';
import { Audited, subjectOf } from '../../src/platform/audited.js';
import { ProblemFilter } from '../../src/platform/problem.filter.js';
import { Refusal } from '../../src/platform/refusal.js';
import { aLine } from '../claims/biller.js';
import { aPatient, aPayment, Sender, somePatients } from '../http/sender.js';
import { startTestServer, type TestServer, until } from '../setup/test-server.js';
import { keyOf, lastSeq, linesAfter, linesOf, type Line } from './auditor.js';

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
 * The ledger is a log itself, which nobody can change, and names who posted what. The audit log is one chain for everything:
 * with an entry in it for each deposit it would be what all deposits wait for.
 */
const LOGGED_ELSEWHERE = /^\/api\/(accounts|transfers)\b/;

/** What must be in no line: names, amounts, dates of birth, searches. */
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

/** Mirrors two patients and a payment, and holds back a third snapshot. */
async function someData(): Promise<{ patients: string; held: string }> {
  const job = await sender.mirror('/patients', [pheasant, aPatient({ externalId: '6', dateOfBirth: '1800-01-01' })]);
  await sender.mirror('/payments', [amount]);
  const held = await sender.mirror('/patients', []);
  return { patients: job.id, held: held.id };
}

function brief({ action, subject, items, outcome, status, source }: Line): unknown[] {
  return [action, subject, items, outcome, status, source];
}

async function expectLine(act: () => Promise<unknown>, ...line: unknown[]): Promise<void> {
  const lines = await linesOf(server, act);
  expect(lines.map(brief)).toEqual([[...line, sender.source]]);
}

describe('a read', () => {
  it.each([
    ['/patients/5', 'patients.read', 'patients:5', null],
    ['/patients/5/history', 'patients.history_read', 'patients:5', 1],
    ['/patients/5/payments', 'payments.listed', 'patients:5', 1],
    ['/payments/9/history', 'payments.history_read', 'payments:9', 1],
    ['/payments?external_id=5', 'payments.listed', 'patients:5', 1],
    ['/payments?payment_external_id=9', 'payments.listed', 'payments:9', 1],
    ['/payments', 'payments.listed', null, 1],
    ['/patients?q=pheas&sort=lastName', 'patients.listed', null, 1],
    ['/changes', 'changes.read', null, 2],
    ['/audit?limit=3', 'audit.read', null, 3],
  ])('of %s leaves one line', async (path, action, subject, items) => {
    await someData();

    await expectLine(() => sender.get(path), action, subject, items, 'allowed', 200);
  });

  it.each([
    ['errors', 'application/json', 'job.errors_read', 1],
    ['errors', 'text/csv', 'job.errors_exported', null],
    ['errors', 'application/x-ndjson', 'job.errors_exported', null],
    ['changes', 'application/json', 'job.changes_read', 1],
    ['changes', 'text/csv', 'job.changes_exported', null],
    ['snapshot', '*/*', 'job.snapshot_read', null],
  ])('of the %s of a job as %s leaves one line', async (what, type, action, items) => {
    const { patients } = await someData();

    const read = async () =>
      (await sender.fetch(`/sync/jobs/${patients}/${what}`, { headers: { Accept: type } })).text();
    await expectLine(read, action, `job:${patients}`, items, 'allowed', 200);
  });

  it('of the whole audit leaves one line', async () => {
    const read = () => sender.fetch('/audit?action=patients.read', { headers: { Accept: 'text/csv' } });

    await expectLine(read, 'audit.exported', null, null, 'allowed', 200);
  });

  it('of an empty page of the feed leaves none', async () => {
    expect(await linesOf(server, () => sender.get('/changes?after=latest'))).toEqual([]);
  });

  it('of claims leaves one line', async () => {
    const { id } = await sender.post('/claims', aLine()).then((response) => response.json() as any);

    await expectLine(() => sender.get('/claims'), 'claims.listed', null, 1, 'allowed', 200);
    await expectLine(() => sender.get(`/claims/${id}`), 'claim.read', `claim:${id}`, null, 'allowed', 200);
    expect(await linesOf(server, () => sender.get('/providers/top'))).toEqual([]);
  });

  it('of jobs, health and metrics leaves none', async () => {
    const { patients } = await someData();
    const paths = ['/sync/jobs', `/sync/jobs/${patients}`, '/health', '/metrics', '/webhooks'];

    expect(await linesOf(server, () => Promise.all(paths.map((path) => sender.fetch(path))))).toEqual([]);
  });

  it.each(['/patients/404', '/patients/404/payments', '/patients/404/history'])(
    'of %s, who is not there, is a refused one',
    async (path) => {
      const [line] = await linesOf(server, () => sender.fetch(path));

      expect(line).toMatchObject({ subject: 'patients:404', outcome: 'refused', status: 404 });
    },
  );

  it('with what no id can be leaves a line all the same', async () => {
    const ids = ['%00', 'x'.repeat(4000)];

    const lines = await linesOf(server, () => Promise.all(ids.map((id) => sender.fetch(`/patients/${id}`))));

    expect(lines.map(({ outcome }) => outcome)).toEqual(['refused', 'refused']);
    expect(lines.map(({ subject }) => subject?.length).toSorted((a, b) => Number(a) - Number(b))).toEqual([10, 300]);
  });
});

describe('a change', () => {
  it('by a snapshot leaves one line with the job, before its end is waited for', async () => {
    let id = '';
    const act = async () => {
      id = (await sender.mirror('/patients', somePatients(3))).id;
    };

    const lines = await linesOf(server, act);

    expect(lines.map(brief)).toEqual([['snapshot.submitted', `job:${id}`, null, 'allowed', 202, sender.source]]);
  });

  it('by a claim leaves one line with the claim, or none where it is refused', async () => {
    let id = '';
    const act = async () => {
      id = ((await (await sender.post('/claims', aLine())).json()) as any).id;
    };

    const lines = await linesOf(server, act);

    expect(lines.map(brief)).toEqual([['claim.submitted', `claim:${id}`, null, 'allowed', 200, sender.source]]);
    await expectLine(() => sender.post('/claims', []), 'claim.submitted', 'claim', null, 'refused', 422);
  });

  it('that is refused leaves one line without a job', async () => {
    const act = () => sender.post('/patients', '[', { 'Content-Encoding': 'gzip' });

    await expectLine(act, 'snapshot.submitted', 'job', null, 'refused', 400);
  });

  it.each([
    ['approve', 'approved', 200],
    ['reject', 'rejected', 200],
    ['cancel', 'cancelled', 200],
    ['replay', 'replayed', 202],
  ])('by %s leaves one line', async (verb, past, status) => {
    const { held } = await someData();

    await expectLine(() => sender.decide(held, verb), `job.${past}`, `job:${held}`, null, 'allowed', status);
  });

  it('by a revert leaves one line, with the job that was reverted', async () => {
    const { id } = await sender.mirror('/patients', somePatients(2));

    await expectLine(() => sender.decide(id, 'revert'), 'job.reverted', `job:${id}`, null, 'allowed', 202);
  });

  it('in the wrong state leaves a refused one', async () => {
    const { patients } = await someData();

    const act = () => sender.decide(patients, 'approve');

    await expectLine(act, 'job.approved', `job:${patients}`, null, 'refused', 409);
  });

  it('of webhooks leaves a line each, without the address', async () => {
    const json = { 'Content-Type': 'application/json' };
    const send = (method: string, path: string, body?: unknown) =>
      sender.fetch(path, { method, headers: json, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    let id = '';

    const lines = await linesOf(server, async () => {
      const url = 'http://hooks.example/for the planted';
      id = ((await (await send('POST', '/webhooks', { url })).json()) as { id: string }).id;
      await send('PATCH', `/webhooks/${id}`, { description: 'for the planted' });
      await send('POST', `/webhooks/${id}/rotate-secret`);
      await send('POST', `/webhooks/${id}/replay?since=2026-01-01T00:00:00Z`);
      await send('DELETE', `/webhooks/${id}`);
      await send('DELETE', `/webhooks/${id}`);
    });

    expect(lines.map(({ action, subject, status }) => [action, subject, status])).toEqual([
      ['webhook.created', `webhook:${id}`, 201],
      ['webhook.changed', `webhook:${id}`, 200],
      ['webhook.secret_rotated', `webhook:${id}`, 200],
      ['webhook.replayed', `webhook:${id}`, 202],
      ['webhook.deleted', `webhook:${id}`, 204],
      ['webhook.deleted', `webhook:${id}`, 404],
    ]);
  });

  it('is audited whatever it is: every route that is no read leaves a line, but for those of the ledger', async () => {
    const { paths } = await server.get<{ paths: Record<string, object> }>('/openapi.json');
    const audited = Object.entries(paths).filter(([path]) => !LOGGED_ELSEWHERE.test(path));
    const routes = audited.flatMap(([path, verbs]) =>
      Object.keys(verbs)
        .filter((verb) => verb !== 'get')
        .map((verb) => [verb, path.replaceAll(/\{\w+\}/g, 'x')] as const),
    );

    for (const [method, path] of routes) {
      const lines = await linesOf(server, () => sender.fetch(path, { method: method.toUpperCase() }));
      expect([method, path, lines.length]).toEqual([method, path, 1]);
    }
  });
});

describe('a line', () => {
  it('tells who it was, from where, under which request and when by the clock of the database', async () => {
    await someData();
    const headers = { ...(await keyOf(server, 'nightly')), 'X-Request-Id': 'req-1' };
    const [{ before }] = await server.query('select now() as before');

    const [line] = await linesOf(server, () => sender.fetch('/patients/5', { headers }));

    const [{ after }] = await server.query('select now() as after');
    expect(line).toMatchObject({
      actor: 'nightly',
      key_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      source: sender.source,
      address: '127.0.0.1',
      request_id: 'req-1',
    });
    expect([before, line?.at, after]).toEqual([before, line?.at, after].toSorted((a, b) => Number(a) - Number(b)));
  });

  it('holds nothing of a record, nor what was searched for', async () => {
    await someData();
    await sender.get('/patients?q=pheas');

    const text = JSON.stringify(await linesAfter(server, 0));

    expect(PLANTED.filter((planted) => text.includes(planted))).toEqual([]);
  });

  it('is left when a known key lacks the scope, and none when a key is unknown', async () => {
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
    await until('the line is there', async () => (await lastSeq(server)) > seq);
    await app.close();

    const lines = await linesAfter(server, seq);
    expect(lines).toMatchObject([{ action: 'thing.read', subject: 'thing:2', outcome: 'refused', status: 403 }]);
  });
});
