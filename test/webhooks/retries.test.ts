import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { aPatient, somePatients } from '../http/sender.js';
import { TcpProxy } from '../http/tcp-proxy.js';
import { createDatabase, startTestServer, type TestServer, until } from '../setup/test-server.js';
import { Receiver, signersOf } from './receiver.js';
import { WebhookOwner } from './webhook-owner.js';

const SETTINGS = { WEBHOOK_TARGETS: 'any', WEBHOOK_TIMEOUT_SECONDS: 1 } as const;

/** Longer than any test runs. */
const HOUR = 3600;

let receiver: Receiver;
let server: TestServer;
let owner: WebhookOwner;
let path: string;

beforeAll(async () => {
  receiver = await Receiver.start();
});

afterAll(() => receiver.close());

/** A receiver that answers, and a source with an endpoint there. */
async function endpoint(of = server): Promise<any> {
  receiver.answerWith(204);
  path = `/${randomUUID()}`;
  owner = new WebhookOwner(of);
  return owner.register(receiver.url(path));
}

/** Makes a delivery due now. */
function hurry(delivery: { id: string }): Promise<unknown> {
  return server.query('update webhook_delivery set next_attempt_at = now() where id = $1', [delivery.id]);
}

/**
 * Whether that many attempts have ended and the next one is not due soon, as it is during an attempt, which may be
 * lost.
 */
const isPutOff = (attempts: number) => (one: any) =>
  one.attempts === attempts && Date.parse(one.nextAttemptAt) > Date.now() + (HOUR / 2) * 1000;

const idsOf = () => new Set(receiver.at(path).map(({ headers }) => headers['webhook-id']));

describe('a webhook that fails', () => {
  beforeAll(async () => {
    server = await startTestServer({ ...SETTINGS, WEBHOOK_RETRY_SECONDS: [0, 0, HOUR, HOUR] });
  });

  afterAll(() => server.close());

  it('is retried with the same webhook-id and a fresh signature until it is accepted', async () => {
    const { id, secret } = await endpoint();
    receiver.answer = (response) => void response.writeHead(receiver.at(path).length < 3 ? 500 : 200).end();

    await owner.mirror('/patients', [aPatient()]);
    const requests = await receiver.waitFor(path, 3);

    expect(idsOf().size).toBe(1);
    expect(new Set(requests.map(({ text }) => text)).size).toBe(1);
    for (const request of requests) expect(signersOf(request, [secret])).toEqual([secret]);
    expect(await owner.settledAs(id, 'delivered')).toMatchObject({ attempts: 3, responseStatus: 200, reason: null });
    expect(await owner.webhook(id)).toMatchObject({ enabled: true, failingSince: null });
  });

  it('waits longer before each retry, as the settings say', async () => {
    const { id } = await endpoint();
    receiver.answerWith(503);

    await owner.mirror('/patients', [aPatient()]);

    const third = await owner.delivery(id, 'tried three times', isPutOff(3));
    const waitSeconds = (Date.parse(third.nextAttemptAt) - Date.parse(third.attemptedAt)) / 1000;
    expect(third).toMatchObject({ status: 'pending', responseStatus: 503, reason: 'refused', finishedAt: null });
    expect(waitSeconds).toBeGreaterThanOrEqual(HOUR);
    expect(waitSeconds).toBeLessThan(HOUR * 1.2 + 5);
    expect((await owner.webhook(id)).failingSince).toMatch(/^\d{4}-/);
  });

  it('ends as failed after the last retry', async () => {
    const { id } = await endpoint();
    receiver.answerWith(400);
    await owner.mirror('/patients', [aPatient()]);
    for (const attempts of [3, 4]) {
      await hurry(await owner.delivery(id, 'put off', isPutOff(attempts)));
    }

    const failed = await owner.settledAs(id, 'failed');

    expect(failed).toMatchObject({ attempts: 5, responseStatus: 400, reason: 'refused', nextAttemptAt: null });
    expect(receiver.at(path)).toHaveLength(5);
    expect((await owner.webhook(id)).enabled).toBe(true);
  });

  it.each([301, 302, 303, 307, 308])('by a redirect with %i is not led elsewhere', async (status) => {
    const { id } = await endpoint();
    receiver.answerWith(status, { Location: receiver.url('/secret') });

    await owner.mirror('/patients', [aPatient()]);

    const delivery = await owner.delivery(id, 'put off', isPutOff(3));
    expect(delivery).toMatchObject({ responseStatus: status, reason: 'redirect' });
    expect(receiver.at('/secret')).toEqual([]);
  });

  it('because the receiver does not listen or answer is retried', async () => {
    const { id } = await endpoint();
    await receiver.close();
    await owner.mirror('/patients', [aPatient()]);
    const refused = await owner.delivery(id, 'refused', isPutOff(3));
    await receiver.open();
    receiver.answer = () => undefined;
    await hurry(refused);
    const late = await owner.delivery(id, 'late', (one) => one.attempts === 4 && one.reason !== refused.reason);
    receiver.answer = (response) => void response.destroy();
    await hurry(late);
    const broken = await owner.delivery(id, 'broken off', (one) => one.status === 'failed');

    expect([refused, late, broken].map(({ reason }) => reason)).toEqual([
      'connection_refused',
      'timeout',
      'connection_reset',
    ]);
    expect(idsOf()).toEqual(new Set([refused.id]));
  });

  it('is accepted by the status alone, whether the body is endless, missing or huge', async () => {
    const { id } = await endpoint();
    receiver.answer = (response) => void response.writeHead(200).write('never more');
    await owner.mirror('/patients', [aPatient()]);
    expect(await owner.settledAs(id, 'delivered')).toMatchObject({ attempts: 1, responseStatus: 200 });

    receiver.answer = (response) => void response.writeHead(201).end(Buffer.alloc(10_000_000));
    const { id: ping } = await owner.ok('POST', `/webhooks/${id}/test`);

    const taken = await owner.delivery(id, 'taken', (one) => one.id === ping && one.status === 'delivered');
    expect(taken).toMatchObject({ responseStatus: 201 });
  });

  it('with 410 Gone is not retried, and its endpoint is disabled', async () => {
    const { id } = await endpoint();
    receiver.answerWith(410);

    await owner.mirror('/patients', [aPatient()]);

    const failed = await owner.settledAs(id, 'failed');
    expect(failed).toMatchObject({ attempts: 1, responseStatus: 410, reason: 'refused' });
    await until('it is disabled', async () => !(await owner.webhook(id)).enabled);
    expect(await owner.webhook(id)).toMatchObject({ disabledReason: 'gone', disabledAt: expect.any(String) });
    await owner.mirror('/patients', somePatients(2));
    expect(await owner.deliveries(id)).toHaveLength(1);
  });

  it('for days disables its endpoint; enabling it starts again', async () => {
    const { id } = await endpoint();
    receiver.answerWith(500);
    await owner.mirror('/patients', [aPatient()]);
    const first = await owner.delivery(id, 'put off', isPutOff(3));
    const day = "update webhook_endpoint set failing_since = now() - $2 * interval '1 day' where id = $1";
    await server.query(day, [id, 4.9]);
    await hurry(first);
    const second = await owner.delivery(id, 'put off again', isPutOff(4));
    expect((await owner.webhook(id)).enabled).toBe(true);
    await owner.mirror('/payments', []);
    await until('both wait for a retry', async () =>
      (await owner.deliveries(id)).every((one) => isPutOff(one.attempts)(one)),
    );

    await server.query(day, [id, 5]);
    await hurry(second);

    await until('it is disabled', async () => !(await owner.webhook(id)).enabled);
    expect(await owner.webhook(id)).toMatchObject({ enabled: false, disabledReason: 'failing' });
    const deliveries = await owner.deliveries(id);
    expect(deliveries.map(({ status, reason }) => [status, reason])).toEqual([
      ['failed', 'endpoint_disabled'],
      ['failed', 'refused'],
    ]);

    receiver.answerWith(204);
    const enabled = await owner.ok('PATCH', `/webhooks/${id}`, { enabled: true });
    expect(enabled).toMatchObject({ enabled: true, disabledReason: null, disabledAt: null, failingSince: null });
    const since = encodeURIComponent(deliveries[1].created);
    expect(await owner.ok('POST', `/webhooks/${id}/replay?since=${since}`)).toEqual({ replayed: 2 });
    await until('all have arrived', async () => (await owner.deliveries(id, '&status=delivered')).length === 2);
    expect(idsOf()).toEqual(new Set(deliveries.map((delivery) => delivery.id)));
  });

  it('does not delay others: a receiver that hangs takes up two concurrent sends', async () => {
    const { id } = await endpoint();
    const hanging = path;
    const other = `/${randomUUID()}`;
    const { id: healthy } = await owner.register(receiver.url(other));
    let most = 0;
    let open = 0;
    receiver.answer = (response, request) => {
      if (request.path === other) {
        response.writeHead(204).end();
        return;
      }
      open += 1;
      most = Math.max(most, open);
      response.once('close', () => (open -= 1));
    };

    const pings = Array.from({ length: 5 }, () => owner.ok('POST', `/webhooks/${id}/test`));
    await Promise.all(pings);
    await receiver.waitFor(hanging, 2);
    await owner.ok('POST', `/webhooks/${healthy}/test`);

    expect(await owner.settledAs(healthy, 'delivered')).toMatchObject({ attempts: 1 });
    await receiver.waitFor(hanging, 5);
    expect(most).toBe(2);
  });
});

describe('a replay', () => {
  beforeAll(async () => {
    server = await startTestServer({ ...SETTINGS, WEBHOOK_RETRY_SECONDS: [HOUR] });
  });

  afterAll(() => server.close());

  it('sends a delivery again, whatever its result, with the same webhook-id', async () => {
    const { id } = await endpoint();
    await owner.mirror('/patients', [aPatient()]);
    const delivered = await owner.settledAs(id, 'delivered');

    const answer = await owner.request('POST', `/webhooks/${id}/deliveries/${delivered.id}/replay`);

    expect(answer.status).toBe(202);
    expect(await answer.json()).toMatchObject({ id: delivered.id, status: 'pending', attempts: 0, finishedAt: null });
    const [first, second] = await receiver.waitFor(path, 2);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(second?.text).toBe(first?.text);
    expect(await owner.settledAs(id, 'delivered')).toMatchObject({ attempts: 1 });
  });

  it('does not wait for the time of the next attempt', async () => {
    const { id } = await endpoint();
    receiver.answerWith(500);
    await owner.mirror('/patients', [aPatient()]);
    const waiting = await owner.delivery(id, 'put off', (one) => one.reason);
    receiver.answerWith(204);

    await owner.ok('POST', `/webhooks/${id}/deliveries/${waiting.id}/replay`);

    expect(await owner.settledAs(id, 'delivered')).toMatchObject({ id: waiting.id });
  });

  it('since an instant sends only what has failed since then', async () => {
    const { id } = await endpoint();
    const jobs = [];
    for (const count of [1, 2, 3]) {
      jobs.push(await owner.mirror('/patients', somePatients(count)));
      await owner.settledAs(id, 'delivered');
    }
    await until('all have arrived', async () => (await owner.deliveries(id, '&status=delivered')).length === 3);
    const [newest, middle] = await owner.deliveries(id);
    await server.query("update webhook_delivery set status = 'failed' where endpoint_id = $1 and id <> $2", [
      id,
      newest.id,
    ]);

    const answer = await owner.request('POST', `/webhooks/${id}/replay?since=${middle.created}`);

    expect([answer.status, await answer.json()]).toEqual([202, { replayed: 1 }]);
    const requests = await receiver.waitFor(path, 4);
    expect(requests[3]?.body.data.jobId).toBe(jobs[1]?.id);
    expect(await owner.ok('POST', `/webhooks/${id}/replay?since=2099-01-01T00:00:00Z`)).toEqual({ replayed: 0 });
  });

  it('of a disabled endpoint is refused, as is a ping', async () => {
    const { id } = await endpoint();
    await owner.mirror('/patients', [aPatient()]);
    const delivery = await owner.settledAs(id, 'delivered');
    await owner.ok('PATCH', `/webhooks/${id}`, { enabled: false });

    for (const verb of [`deliveries/${delivery.id}/replay`, 'replay?since=2026-01-01T00:00:00Z', 'test']) {
      const response = await owner.request('POST', `/webhooks/${id}/${verb}`);
      expect([response.status, (await response.json()) as any]).toMatchObject([409, { code: 'webhook_disabled' }]);
    }
  });
});

describe('a secret', () => {
  beforeAll(async () => {
    server = await startTestServer({ ...SETTINGS, WEBHOOK_RETRY_SECONDS: [HOUR] });
  });

  afterAll(() => server.close());

  it('that was rotated signs in addition to the new one for a day', async () => {
    const { id, secret: old } = await endpoint();

    const rotated = await owner.ok('POST', `/webhooks/${id}/rotate-secret`);
    await owner.ok('POST', `/webhooks/${id}/test`);
    const [both] = await receiver.waitFor(path, 1);
    await server.query('update webhook_endpoint set previous_secret_until = now() where id = $1', [id]);
    await owner.ok('POST', `/webhooks/${id}/test`);
    const [, later] = await receiver.waitFor(path, 2);

    expect(rotated.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(rotated.secret).not.toBe(old);
    const secrets = [rotated.secret, old];
    expect(String(both?.headers['webhook-signature'])).toMatch(/^v1,\S{44} v1,\S{44}$/);
    expect(signersOf(both as never, secrets)).toEqual(secrets);
    expect(signersOf(later as never, secrets)).toEqual([rotated.secret]);
  });
});

describe('a secret that is rotated twice', () => {
  it('still signs with the original one, as the answer to the first call may have been lost', async () => {
    server = await startTestServer({ ...SETTINGS, WEBHOOK_RETRY_SECONDS: [HOUR] });
    const { id, secret: known } = await endpoint();

    const lost = await owner.ok('POST', `/webhooks/${id}/rotate-secret`);
    const rotated = await owner.ok('POST', `/webhooks/${id}/rotate-secret`);
    await owner.ok('POST', `/webhooks/${id}/test`);

    const [request] = await receiver.waitFor(path, 1);
    expect(signersOf(request as never, [rotated.secret, lost.secret, known])).toEqual([rotated.secret, known]);
    await server.close();
  });
});

describe('a sender', () => {
  beforeAll(async () => {
    server = await startTestServer({ ...SETTINGS, ROLE: 'api', WEBHOOK_RETRY_SECONDS: [HOUR] });
  });

  afterAll(() => server.close());

  const worker = () =>
    startTestServer({ ...SETTINGS, ROLE: 'worker', databaseUrl: server.databaseUrl, WEBHOOK_TIMEOUT_SECONDS: 60 });

  it('that is killed during an attempt is replaced when its lease has expired', async () => {
    const { id } = await endpoint();
    const { id: ping } = await owner.ok('POST', `/webhooks/${id}/test`);
    // The state that a process leaves if it is killed after it has leased the delivery.
    await server.query(
      `update webhook_delivery set lease = gen_random_uuid(), attempts = 1, next_attempt_at = now() + interval '2 seconds'
        where id = $1`,
      [ping],
    );
    const [left] = await owner.deliveries(id);

    const standIn = await worker();

    const [request] = await receiver.waitFor(path, 1);
    await standIn.close();
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(left.nextAttemptAt));
    expect(request?.headers['webhook-id']).toBe(ping);
    expect(await owner.settledAs(id, 'delivered')).toMatchObject({ attempts: 2 });
  });

  it('that is alive keeps its lease, however long sending takes', async () => {
    const { id } = await endpoint();
    let end = () => {};
    receiver.answer = (response) => void (end = () => void response.writeHead(204).end());
    const [one, other] = await Promise.all([worker(), worker()]);
    await owner.ok('POST', `/webhooks/${id}/test`);
    await receiver.waitFor(path, 1);
    const [{ nextAttemptAt: lease }] = await owner.deliveries(id);

    // Longer than the first lease.
    await until('the lease has been renewed twice', () => Date.now() > Date.parse(lease) + 2_000, 20_000);
    end();

    expect(await owner.settledAs(id, 'delivered')).toMatchObject({ attempts: 1 });
    expect(receiver.at(path)).toHaveLength(1);
    await Promise.all([one.close(), other.close()]);
  });

  it('that is stopped gives back a hanging delivery at once, without counting the attempt', async () => {
    const { id } = await endpoint();
    receiver.answer = () => undefined;
    const stopped = await worker();
    await owner.ok('POST', `/webhooks/${id}/test`);
    await receiver.waitFor(path, 1);

    const begun = Date.now();
    await stopped.close();

    expect(Date.now() - begun).toBeLessThan(25_000);
    const [given] = await owner.deliveries(id);
    expect(given).toMatchObject({ status: 'pending', attempts: 0 });
    expect(Date.parse(given.nextAttemptAt)).toBeLessThanOrEqual(Date.now());
  });

  it('continues after an outage of PostgreSQL', async () => {
    const databaseUrl = await createDatabase();
    const proxy = await TcpProxy.to(databaseUrl, 5432);
    const cut = await startTestServer({ ...SETTINGS, databaseUrl: proxy.way(databaseUrl) });
    const { id } = await endpoint(cut);
    await owner.ok('POST', `/webhooks/${id}/test`);
    await receiver.waitFor(path, 1);

    await proxy.cut();
    await until('the outage is noticed', async () => (await cut.fetch('/health/ready')).status === 503);
    await proxy.mend();
    await until('it is ready again', async () => (await cut.fetch('/health/ready')).ok);
    const job = await owner.mirror('/patients', [aPatient()]);

    await until('the webhook has arrived', () => receiver.at(path).some(({ body }) => body.data.jobId === job.id));
    expect(await owner.settledAs(id, 'delivered')).toMatchObject({ jobId: job.id, attempts: 1 });
    await cut.close();
    await proxy.cut();
  });
});
