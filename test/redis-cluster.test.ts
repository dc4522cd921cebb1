import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Queue, Worker } from 'bullmq';
import { randomBytes } from 'node:crypto';
import tls from 'node:tls';
import { chooseQueueBackend } from '../src/queue/queue.js';
import { WORKER_OPTIONS } from '../src/queue/queue-worker.js';
import { aLine } from './claims/biller.js';
import { holdCommits, isWaitedFor } from './faults/held-locks.js';
import { aPatient, aPayment, Sender, somePatients } from './http/sender.js';
import { breakPaymentsOf, Clinic } from './settlement/clinic.js';
import { HAS_REDIS_SERVER, HAS_REDIS_WITH_TLS, RedisCluster } from './setup/redis-cluster.js';
import { startTestServer, type TestServer, until } from './setup/test-server.js';

/** An api, a worker and a payments service, which share a database and a queue in a cluster of their own. */
class Installation {
  readonly prefix = `t${randomBytes(4).toString('hex')}`;
  private readonly servers: TestServer[] = [];

  private constructor(readonly cluster: RedisCluster) {}

  static async start(): Promise<Installation> {
    const installation = new Installation(await RedisCluster.start({ hasReplicas: true }));
    try {
      for (const role of ['api', 'worker', 'payments'] as const) await installation.startServer(role);
    } catch (error) {
      await installation.stop();
      throw error;
    }
    return installation;
  }

  get api(): TestServer {
    return this.servers[0] as TestServer;
  }

  async stop(): Promise<void> {
    try {
      for (const server of this.servers.toReversed()) await server.close();
    } finally {
      await this.cluster.stop();
    }
  }

  private async startServer(role: 'api' | 'worker' | 'payments'): Promise<void> {
    const server = await startTestServer({
      backend: 'redis',
      redisUrl: this.cluster.url,
      QUEUE_PREFIX: this.prefix,
      ROLE: role,
      RATE_LIMIT_PER_MINUTE: 100_000,
      PAYMENT_RETRY_MS: 20,
      PAYMENT_MAX_AMOUNT: '1000',
      ...(this.servers[0] && { databaseUrl: this.api.databaseUrl }),
    });
    this.servers.push(server);
  }
}

/** Posts a claim of 55.00, or of another amount, that must be accepted. @returns its id */
async function postClaim({ from }: Clinic, fields: Record<string, unknown> = {}): Promise<string> {
  const response = await from.post('/claims', aLine(fields));
  expect(response.status).toBe(200);
  return ((await response.json()) as { id: string }).id;
}

/** Sends a snapshot that must be accepted. @returns the id of its job */
async function accepted(from: Sender, path: string, records: unknown[]): Promise<string> {
  const response = await from.post(path, records);
  expect(response.status).toBe(202);
  return ((await response.json()) as { id: string }).id;
}

(HAS_REDIS_SERVER ? describe : describe.skip)('on a Redis Cluster', () => {
  let installation: Installation;
  let api: TestServer;

  beforeAll(async () => {
    installation = await Installation.start();
    ({ api } = installation);
  });

  afterAll(() => installation?.stop());

  it('mirrors the snapshots of several sources', async () => {
    const senders = Array.from({ length: 3 }, () => new Sender(api));

    const jobs = await Promise.all(
      senders.map(async (from) => [
        await from.mirror('/patients', somePatients(3)),
        await from.mirror('/payments', [aPayment()]),
        await from.mirror('/patients?deletes=apply', somePatients(2)),
      ]),
    );

    const counts = [{ created: 3 }, { created: 1, unresolved: 0 }, { unchanged: 2, deleted: 1 }];
    const completed = counts.map((expected) => ({ status: 'completed', counts: expected }));
    expect(jobs).toMatchObject(senders.map(() => completed));
    for (const from of senders) expect(await from.patientIds()).toEqual(['1', '2']);
  });

  it('holds a deletion until it is approved', async () => {
    const from = new Sender(api);
    await from.mirror('/patients', somePatients(3));
    const { id, status } = await from.mirror('/patients?deletes=hold', somePatients(1));
    expect(status).toBe('awaiting_approval');
    expect(await from.patientIds()).toHaveLength(3);

    expect((await from.decide(id, 'approve')).ok).toBe(true);

    await until('it is completed', async () => (await from.settled(id)).status === 'completed');
    expect(await from.patientIds()).toEqual(['1']);
  });

  it('settles claims that are posted, and those that failed after a retry', async () => {
    const clinics = [await Clinic.open(api), await Clinic.open(api)];
    for (const clinic of clinics) {
      const ids = [await postClaim(clinic), await postClaim(clinic)];
      await clinic.allAre('settled', 2);
      expect(await clinic.paid()).toEqual(ids.toSorted());

      const large = await postClaim(clinic, { provider_fees: '$5,000.00' });
      await until('it has failed', async () => (await clinic.counts())['failed'] === 1);
      expect(await clinic.state(large)).toMatchObject({ reason: 'amount_above_maximum' });
      await api.query('update payment_notification set net_fee = 1000 where claim_id = $1', [large]);
      // Its dead letter is removed, or this would be a 503.
      expect((await clinic.retry(large)).status).toBe(202);
      await clinic.allAre('settled', 3);
      expect(await clinic.paid()).toEqual([...ids, large].toSorted());
    }
  });

  it('is ready, shows its queues, and counts the requests of callers in the cluster', async () => {
    expect(await api.get('/health/ready')).toMatchObject({ status: 'ok', details: { redis: { status: 'up' } } });
    const { queues } = await api.get('/admin/queues/api/queues');
    expect(queues.length).toBeGreaterThan(3);

    const answer = await api.fetch('/metrics');

    const metrics = await answer.text();
    expect(metrics).toMatch(/^counterpart_queue_up 1$/m);
    // Counts that the cluster does not take are kept by the process, and counted here.
    expect(metrics).toMatch(/^counterpart_rate_limit_fallbacks_total 0$/m);
    expect(answer.headers.get('ratelimit-limit')).toBe('100000');
  });

  it('a worker that stops while it waits takes no other job', async () => {
    const { options, close } = chooseQueueBackend(api.config, api.databaseUrl);
    const queue = new Queue('idle', options);
    const worker = new Worker('idle', async () => undefined, { ...options, ...WORKER_OPTIONS, autorun: true });
    try {
      await until('it waits', () => worker['waiting'] !== null);

      const stopped = worker.close();
      await queue.add('late', {});
      await stopped;

      expect(await queue.getJobCounts('waiting', 'active', 'completed')).toEqual({
        waiting: 1,
        active: 0,
        completed: 0,
      });
    } finally {
      await worker.close();
      await queue.close();
      await close();
    }
  });

  it.each(['cut off', 'killed'] as const)(
    'finishes all jobs and payments, each once, though the master of its queue is %s',
    async (how) => {
      const [working, other] = [new Sender(api), new Sender(api)];
      const clinic = await Clinic.open(api);
      // A job that a worker has begun, one that waits its turn, and messages that are tried again and again.
      await working.mirror('/patients', [aPatient()]);
      const commits = await holdCommits(api.databaseUrl, working.source);
      const running = await accepted(working, '/patients?mode=partial', somePatients(500));
      const waiting = await accepted(working, '/patients?mode=partial', [aPatient({ externalId: 'last' })]);
      await isWaitedFor(api.databaseUrl);
      const mend = await breakPaymentsOf(api, clinic, '08006');
      const claims = await clinic.addClaims(20);
      await clinic.allAre('notified', 20);

      const master = await installation.cluster.loseMasterOf(`{${installation.prefix}}`, how);
      try {
        // Accepted while nobody has the queue.
        const meanwhile = await accepted(other, '/patients', somePatients(10));
        claims.push(await postClaim(clinic));
        await master.isReplaced();
        await commits.release();
        await mend();
        expect(await working.settled(running)).toMatchObject({
          status: 'completed',
          counts: { received: 500, created: 499, unchanged: 1 },
        });
        expect(await working.settled(waiting)).toMatchObject({ status: 'completed', counts: { created: 1 } });
        expect(await other.settled(meanwhile)).toMatchObject({ status: 'completed', counts: { created: 10 } });
        await clinic.allAre('settled', 21);
        expect(await clinic.paid()).toEqual(claims.toSorted());

        // What comes later works as before.
        const later = await other.mirror('/patients?deletes=apply', somePatients(9));
        expect(later).toMatchObject({ status: 'completed', counts: { unchanged: 9, deleted: 1 } });
        claims.push(await postClaim(clinic));
        await clinic.allAre('settled', 22);
        expect(await clinic.paid()).toEqual(claims.toSorted());
        expect((await api.fetch('/health/ready')).status).toBe(200);
      } finally {
        // The tests after a failed one share the cluster and the database.
        await commits.release();
        await mend();
        await master.restore();
      }
    },
    60_000,
  );
});

(HAS_REDIS_WITH_TLS ? describe : describe.skip)('on a Redis Cluster with TLS, whose nodes announce names', () => {
  let trusted: string[];
  let cluster: RedisCluster;
  let server: TestServer;

  beforeAll(async () => {
    trusted = tls.getCACertificates('default');
    tls.setDefaultCACertificates([...trusted, RedisCluster.certificate()]);
    cluster = await RedisCluster.start({ isEncrypted: true });
    server = await startTestServer({ backend: 'redis', redisUrl: cluster.url });
  });

  afterAll(async () => {
    tls.setDefaultCACertificates(trusted);
    try {
      await server?.close();
    } finally {
      await cluster?.stop();
    }
  });

  it('mirrors a snapshot and settles a claim', async () => {
    const clinic = await Clinic.open(server);

    const job = await clinic.from.mirror('/patients', somePatients(2));
    const claim = await postClaim(clinic);

    expect(job).toMatchObject({ status: 'completed', counts: { created: 2 } });
    await clinic.allAre('settled', 1);
    expect(await clinic.paid()).toEqual([claim]);
    expect((await server.fetch('/health/ready')).status).toBe(200);
  });
});
