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

  it('settles each claim, and tells what it did', async () => {
    const clinic = await Clinic.open(api);
    const ids = await clinic.claims(3, '-116.8500');

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

  it('is told of what is posted; the claim shows what came of it, and the dashboard what is left', async () => {
    const biller = new Biller(api);
    const small = await biller.submit([aLine(), aLine({ provider_fees: '$20.00' })]);
    const large = await biller.submit(aLine({ provider_fees: '$5,000.00' }));
    const stateOf = async ({ id }: { id: string }) => (await biller.get(`/claims/${id}`)).payment;

    await until('both are through', async () => {
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

  it('has one effect for a claim, however often and at once it is told', async () => {
    const clinic = await Clinic.open(api);
    const [claimId = ''] = await clinic.claims(1);

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

  it('hears nothing of a claim that is rolled back', async () => {
    const clinic = await Clinic.open(api);
    const broken = clinic.leaveWord(uuidv7(), '1', () => Promise.reject(new Error('no claim')));
    await expect(broken).rejects.toThrow('no claim');
    await clinic.claims(1);

    await clinic.allAre('settled', 1);

    expect(await clinic.paid()).toHaveLength(1);
  });

  it('is away, and claims are taken all the same; all arrive once it is back', async () => {
    await payments.close();
    const clinic = await Clinic.open(api);
    const ids = await clinic.claims(20);
    await clinic.allAre('notified', 20);

    payments = await startService();

    await clinic.allAre('settled', 20);
    expect(await clinic.paid()).toEqual(ids.toSorted());
  });

  it('is told again of all that an emptied queue has lost', async () => {
    await payments.close();
    const clinic = await Clinic.open(api);
    const ids = await clinic.claims(20);
    await clinic.allAre('notified', 20);
    await messages.obliterate({ force: true });
    await clinic.letTimePass();

    payments = await startService();

    await clinic.allAre('settled', 20);
    expect(await clinic.paid()).toEqual(ids.toSorted());
  });

  describe('that cannot settle a payment', () => {
    it('tries again, then lays it aside with the reason, and settles it when it is told again', async () => {
      const clinic = await Clinic.open(api);
      const mend = await breakPaymentsOf(api, clinic);
      const [claimId = ''] = await clinic.claims(1);
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

    it('as the database is away tries for as long as that takes, and counts no attempt', async () => {
      const clinic = await Clinic.open(api);
      const mend = await breakPaymentsOf(api, clinic, '08006');
      const [claimId = ''] = await clinic.claims(1);
      const starts = async () => (await messages.getJob(`${claimId}-1`))?.attemptsStarted ?? 0;
      await until('it was tried ten times', async () => (await starts()) >= 10);
      expect(await clinic.state(claimId)).toMatchObject({ status: 'notified', attempts: 0, reason: null });

      await mend();

      await clinic.allAre('settled', 1);
      expect(await clinic.state(claimId)).toMatchObject({ attempts: 1 });
    });

    it('does not try again what it will not settle, and takes all that has failed at one request', async () => {
      const clinic = await Clinic.open(api);
      await clinic.claims(2, '-1000.01');
      await clinic.claims(1, '1000');
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

    it('keeps the dead letter of what has failed, whoever throws it away', async () => {
      const clinic = await Clinic.open(api);
      const [claimId = ''] = await clinic.claims(1, '5000');
      await lettersOf(clinic);
      await deadLetters.obliterate({ force: true });
      await clinic.letTimePass();

      expect(await lettersOf(clinic)).toMatchObject([{ claimId }]);

      await api.query('update payment_notification set net_fee = 1000 where source_id = $1', [clinic.id]);
      await clinic.retry(claimId);
      await clinic.allAre('settled', 1);
    });
  });

  it('answers for its health and its numbers alone', async () => {
    const clinic = await Clinic.open(api);
    await clinic.claims(1, '5000');
    await clinic.allAre('failed', 1);

    expect((await payments.fetch('/health/ready')).status).toBe(200);
    const metrics = await (await payments.fetch('/metrics')).text();
    expect(metrics).toContain(`counterpart_claim_payments{source="${clinic.from.source}",state="failed"} 1`);
    expect(metrics).toMatch(/counterpart_claim_payment_messages_total\{outcome="refused"\} [1-9]/);
    for (const path of ['/', '/claims', '/claim-payments', '/patients', '/docs', '/admin/queues'])
      expect({ path, status: (await payments.fetch(path)).status }).toEqual({ path, status: 404 });
  });

  it('is told again at once of a claim that is on its way, for nothing', async () => {
    await payments.close();
    const clinic = await Clinic.open(api);
    const [claimId = ''] = await clinic.claims(1);
    await clinic.allAre('notified', 1);
    expect((await clinic.retry(claimId)).status).toBe(202);
    await clinic.allAre('notified', 1);
    expect(await messages.getWaitingCount()).toBe(2);

    payments = await startService();

    await clinic.allAre('settled', 1);
    await until('both are worked off', async () => (await messages.getJobCountByTypes('waiting', 'active')) === 0);
    expect(await clinic.paid()).toEqual([claimId]);
  });

  it('is not told again of what is settled, nor of what is another source’s or nobody’s', async () => {
    const [clinic, other] = [await Clinic.open(api), await Clinic.open(api)];
    const [claimId = ''] = await clinic.claims(1);
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

  /** The dead letters of a clinic, once there are so many. */
  async function lettersOf({ id }: Clinic, count = 1): Promise<any[]> {
    let letters: any[] = [];
    await until(`${count} dead letters lie there`, async () => {
      const jobs = await deadLetters.getJobs(['waiting']);
      letters = jobs.map(({ data }) => data).filter(({ sourceId }) => sourceId === id);
      return letters.length === count;
    });
    return letters;
  }
});

(BACKENDS.includes('redis') ? describe : describe.skip)('while the queue is away', () => {
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

  it('claims are taken all the same, and all are settled once it is back', async () => {
    const clinic = await Clinic.open(server);
    const [failed = ''] = await clinic.claims(1, '5000');
    await clinic.allAre('failed', 1);
    await proxy.cut();

    await clinic.claims(20);
    expect(await clinic.counts()).toEqual({ failed: 1, pending: 20 });
    // Its dead letter could not be taken away.
    expect((await clinic.retry(failed)).status).toBe(503);
    expect(await clinic.counts()).toEqual({ failed: 1, pending: 20 });

    await proxy.mend();
    await until('they are settled', async () => (await clinic.counts())['settled'] === 20);
    expect(await clinic.paid()).toHaveLength(20);
  });
});
