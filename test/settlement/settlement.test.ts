import { getQueueToken } from '@nestjs/bullmq';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Queue } from 'bullmq';
import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { PAYMENT_QUEUES } from '../../src/settlement/payment-messages.js';
import { TcpProxy } from '../http/tcp-proxy.js';
import { aLine, Biller } from '../claims/biller.js';
import { BACKENDS, REDIS_URL, startTestServer, type TestServer, until } from '../setup/test-server.js';
import { breakPaymentsOf, Clinic } from './clinic.js';

describe.each(BACKENDS)('the payments service, on the %s queue', (backend) => {
  const shared = { backend, QUEUE_PREFIX: `t${randomBytes(4).toString('hex')}` };
  const settings = { PAYMENT_ATTEMPTS: 3, PAYMENT_RETRY_MS: 20, PAYMENT_MAX_AMOUNT: '1000' };
  let api: TestServer;
  let payments: TestServer;
  let messages: Queue;
  let deadLetters: Queue;

  beforeAll(async () => {
    api = await startTestServer({ ...shared, ...settings, ROLE: 'api' });
    payments = await startService();
    messages = api.app.get<Queue>(getQueueToken(PAYMENT_QUEUES.notifications));
    deadLetters = api.app.get<Queue>(getQueueToken(PAYMENT_QUEUES.deadLetters));
  });

  afterAll(async () => {
    await payments.close();
    await api.close();
  });

  it('settles each claim and lists the payments', async () => {
    const clinic = await Clinic.open(api);
    const ids = await clinic.addClaims(3, '-116.8500');

    await clinic.allAre('settled', 3);

    const [id = ''] = ids;
    expect(await clinic.state(id)).toMatchObject({ claimId: id, status: 'settled', attempts: 1, reason: null });
    const page = await clinic.from.get(`/claim-payments?claim_id=${id}`);
    expect(page).toEqual({
      items: [{ claimId: id, netFee: '-116.85', status: 'settled', created: expect.any(String) }],
      nextCursor: null,
    });
    const first = await clinic.from.get('/claim-payments?limit=2');
    const second = await clinic.from.get(`/claim-payments?limit=2&cursor=${first.nextCursor}`);
    const listed = [...first.items, ...second.items].map(({ claimId }: { claimId: string }) => claimId);
    expect(listed.toSorted()).toEqual(ids.toSorted());
    expect(await (await Clinic.open(api)).from.get(`/claim-payments?claim_id=${id}`)).toMatchObject({ items: [] });
  });

  it('settles claims that are posted; the claim shows the state of its payment, and the dashboard shows the queues', async () => {
    const biller = new Biller(api);
    const small = await biller.submit([aLine(), aLine({ provider_fees: '$20.00' })]);
    const large = await biller.submit(aLine({ provider_fees: '$5,000.00' }));
    const stateOf = async ({ id }: { id: string }) => (await biller.get(`/claims/${id}`)).payment;

    await until('both have ended', async () => {
      const states = [(await stateOf(small)).status, (await stateOf(large)).status];
      return states.join() === 'settled,failed';
    });

    expect(await stateOf(large)).toMatchObject({ attempts: 1, reason: 'amount_above_maximum' });
    const { items } = await biller.get(`/claim-payments?claim_id=${small.id}`);
    expect(items).toMatchObject([{ claimId: small.id, netFee: small.netFee, status: 'settled' }]);
    const { queues } = await api.get('/admin/queues/api/queues');
    const names = queues.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(Object.values(PAYMENT_QUEUES)));
  });

  it('settles a claim once, even if many messages about it arrive at the same time', async () => {
    const clinic = await Clinic.open(api);
    const [claimId = ''] = await clinic.addClaims(1);

    const again = (n: number) => ({
      name: 'claim',
      data: message(clinic, claimId),
      opts: { jobId: `again-${claimId}-${n}` },
    });
    await messages.addBulk(Array.from({ length: 20 }, (_, n) => again(n)));

    await until('all are worked off', async () => (await messages.getJobCountByTypes('waiting', 'active')) === 0);
    await clinic.allAre('settled', 1);
    expect(await clinic.paid()).toEqual([claimId]);
  });

  // To keep them made all workers wait for each other on a queue in PostgreSQL.
  it('keeps no messages about claims that are settled', async () => {
    const clinic = await Clinic.open(api);
    const ids = await clinic.addClaims(5);

    await clinic.allAre('settled', 5);

    const states = () => Promise.all(ids.map((id) => messages.getJobState(`${id}-1`)));
    await until('none is on its way', async () => !(await states()).includes('active'));
    expect(new Set(await states())).toEqual(new Set(['unknown']));
  });

  it('is not notified of a claim whose transaction is rolled back', async () => {
    const clinic = await Clinic.open(api);
    const broken = clinic.addNotification(uuidv7(), '1', () => Promise.reject(new Error('no claim')));
    await expect(broken).rejects.toThrow('no claim');
    await clinic.addClaims(1);

    await clinic.allAre('settled', 1);

    expect(await clinic.paid()).toHaveLength(1);
  });

  it('settles claims that were accepted while it did not run', async () => {
    await payments.close();
    const clinic = await Clinic.open(api);
    const ids = await clinic.addClaims(20);
    await clinic.allAre('notified', 20);

    payments = await startService();

    await clinic.allAre('settled', 20);
    expect(await clinic.paid()).toEqual(ids.toSorted());
  });

  it('is notified again of all claims that an emptied queue has lost', async () => {
    await payments.close();
    const clinic = await Clinic.open(api);
    const ids = await clinic.addClaims(20);
    await clinic.allAre('notified', 20);
    await messages.obliterate({ force: true });
    await clinic.ageNotifications();

    payments = await startService();

    await clinic.allAre('settled', 20);
    expect(await clinic.paid()).toEqual(ids.toSorted());
  });

  describe('if it cannot settle a payment', () => {
    it('retries, then adds a dead letter with the reason, and settles the claim after a retry by request', async () => {
      const clinic = await Clinic.open(api);
      const mend = await breakPaymentsOf(api, clinic);
      const [claimId = ''] = await clinic.addClaims(1);
      await clinic.allAre('failed', 1);

      expect(await clinic.state(claimId)).toMatchObject({ attempts: 3, reason: 'P0001' });
      expect(await lettersOf(clinic)).toEqual([{ claimId, sourceId: clinic.id, reason: 'P0001', attempts: 3 }]);
      expect(await clinic.paid()).toEqual([]);

      await mend();
      const response = await clinic.retry(claimId);
      expect({ status: response.status, body: await response.json() }).toMatchObject({
        status: 202,
        body: { claimId, status: 'pending', attempts: 0, reason: null },
      });
      await clinic.allAre('settled', 1);
      expect(await clinic.paid()).toEqual([claimId]);
      expect(await lettersOf(clinic, 0)).toEqual([]);
      const { items } = await api.get(`/audit?action=claim-payment.retried&subject=claim:${claimId}`);
      expect(items).toMatchObject([{ source: clinic.from.source, outcome: 'allowed', status: 202 }]);
    });

    it('retries for as long as the database is unreachable, without counting attempts', async () => {
      const clinic = await Clinic.open(api);
      const mend = await breakPaymentsOf(api, clinic, '08006');
      const [claimId = ''] = await clinic.addClaims(1);
      const starts = async () => (await messages.getJob(`${claimId}-1`))?.attemptsStarted ?? 0;
      await until('it was tried ten times', async () => (await starts()) >= 10);
      expect(await clinic.state(claimId)).toMatchObject({ status: 'notified', attempts: 0, reason: null });

      await mend();

      await clinic.allAre('settled', 1);
      expect(await clinic.state(claimId)).toMatchObject({ attempts: 1 });
    });

    it('does not retry a refused amount by itself, and retries all failed claims by one request', async () => {
      const clinic = await Clinic.open(api);
      await clinic.addClaims(2, '-1000.01');
      await clinic.addClaims(1, '1000');
      await until('two have failed', async () => (await clinic.counts())['failed'] === 2);

      const letters = await lettersOf(clinic, 2);
      const refused = { reason: 'amount_above_maximum', attempts: 1 };
      expect(letters).toMatchObject([refused, refused]);

      await api.query('update payment_notification set net_fee = 1000 where source_id = $1', [clinic.id]);
      const retried = await clinic.from.fetch('/claim-payments/retry', { method: 'POST' });
      expect(await retried.json()).toEqual({ retried: 2 });
      await clinic.allAre('settled', 3);
      expect(await lettersOf(clinic, 0)).toEqual([]);
    });

    it('restores the dead letter of a failed claim if somebody deletes it', async () => {
      const clinic = await Clinic.open(api);
      const [claimId = ''] = await clinic.addClaims(1, '5000');
      await lettersOf(clinic);
      await deadLetters.obliterate({ force: true });
      await clinic.ageNotifications();

      expect(await lettersOf(clinic)).toMatchObject([{ claimId }]);

      await api.query('update payment_notification set net_fee = 1000 where source_id = $1', [clinic.id]);
      await clinic.retry(claimId);
      await clinic.allAre('settled', 1);
    });
  });

  it('serves only health and metrics over HTTP', async () => {
    const clinic = await Clinic.open(api);
    await clinic.addClaims(1, '5000');
    await clinic.allAre('failed', 1);

    expect((await payments.fetch('/health/ready')).status).toBe(200);
    const metrics = await (await payments.fetch('/metrics')).text();
    expect(metrics).toContain(`counterpart_claim_payments{source="${clinic.from.source}",state="failed"} 1`);
    expect(metrics).toMatch(/counterpart_claim_payment_messages_total\{outcome="refused"\} [1-9]/);
    for (const path of ['/', '/claims', '/claim-payments', '/patients', '/docs', '/admin/queues'])
      expect({ path, status: (await payments.fetch(path)).status }).toEqual({ path, status: 404 });
  });

  it('settles a claim once if it is retried while it is still on its way', async () => {
    await payments.close();
    const clinic = await Clinic.open(api);
    const [claimId = ''] = await clinic.addClaims(1);
    await clinic.allAre('notified', 1);
    expect((await clinic.retry(claimId)).status).toBe(202);
    await clinic.allAre('notified', 1);
    expect(await messages.getWaitingCount()).toBe(2);

    payments = await startService();

    await clinic.allAre('settled', 1);
    await until('both are worked off', async () => (await messages.getJobCountByTypes('waiting', 'active')) === 0);
    expect(await clinic.paid()).toEqual([claimId]);
  });

  it('refuses to retry a settled claim, one of another source, and an unknown one', async () => {
    const [clinic, other] = [await Clinic.open(api), await Clinic.open(api)];
    const [claimId = ''] = await clinic.addClaims(1);
    await clinic.allAre('settled', 1);

    const settled = await clinic.retry(claimId);
    expect({ status: settled.status, body: await settled.json() }).toMatchObject({
      status: 409,
      body: { code: 'already_settled' },
    });
    for (const refused of [other.retry(claimId), clinic.retry(uuidv7()), clinic.retry('nothing')])
      expect((await refused).status).toBe(404);
    expect((await clinic.from.fetch('/claim-payments?claim_id=nothing')).status).toBe(400);
  });

  function startService(): Promise<TestServer> {
    return startTestServer({ ...shared, ...settings, ROLE: 'payments', databaseUrl: api.databaseUrl });
  }

  function message({ id: sourceId }: Clinic, claimId: string) {
    return { claimId, sourceId, round: 1 };
  }

  /** Waits until a clinic has so many dead letters, and returns them. */
  async function lettersOf({ id }: Clinic, count = 1): Promise<any[]> {
    let letters: any[] = [];
    await until(`${count} dead letters are in the queue`, async () => {
      const jobs = await deadLetters.getJobs(['waiting']);
      letters = jobs.map(({ data }) => data).filter(({ sourceId }) => sourceId === id);
      return letters.length === count;
    });
    return letters;
  }
});

(BACKENDS.includes('redis') ? describe : describe.skip)('while the queue is unreachable', () => {
  let proxy: TcpProxy;
  let server: TestServer;

  beforeAll(async () => {
    proxy = await TcpProxy.to(REDIS_URL, 6379);
    server = await startTestServer({ backend: 'redis', redisUrl: proxy.way(REDIS_URL), PAYMENT_MAX_AMOUNT: '1000' });
  });

  afterAll(async () => {
    await proxy.mend();
    await server.close();
    await proxy.cut();
  });

  it('accepts claims, and settles all of them once it is back', async () => {
    const clinic = await Clinic.open(server);
    const [failed = ''] = await clinic.addClaims(1, '5000');
    await clinic.allAre('failed', 1);
    await proxy.cut();

    await clinic.addClaims(20);
    expect(await clinic.counts()).toEqual({ failed: 1, pending: 20 });
    // Its dead letter cannot be removed.
    expect((await clinic.retry(failed)).status).toBe(503);
    expect(await clinic.counts()).toEqual({ failed: 1, pending: 20 });

    await proxy.mend();
    await until('they are settled', async () => (await clinic.counts())['settled'] === 20);
    expect(await clinic.paid()).toHaveLength(20);
  });
});
