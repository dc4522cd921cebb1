import { MikroORM } from '@mikro-orm/postgresql';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { acrossSources } from '../../src/database/source-isolation.js';
import { SyncJob } from '../../src/sync/model/sync-job.entity.js';
import { WebhookCleaner } from '../../src/webhooks/webhook-cleaner.js';
import { aPatient, aPayment, somePatients } from '../http/sender.js';
import { backendsOr, startTestServer, type TestServer } from '../setup/test-server.js';
import { Receiver, signersOf } from './receiver.js';
import { WebhookOwner } from './webhook-owner.js';

const UUID = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/);
const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

let receiver: Receiver;
let paths = 0;

/** A path that no other test uses. */
const aPath = () => `/${++paths}`;

beforeAll(async () => {
  receiver = await Receiver.start();
});

afterAll(() => receiver.close());

describe.each(backendsOr('postgresql'))('webhooks with api and worker apart, on the %s queue', (backend) => {
  let api: TestServer;
  let worker: TestServer;

  beforeAll(async () => {
    const shared = { backend, QUEUE_PREFIX: `t${randomBytes(4).toString('hex')}`, WEBHOOK_TARGETS: 'any' } as const;
    api = await startTestServer({ ...shared, ROLE: 'api' });
    worker = await startTestServer({ ...shared, ROLE: 'worker', databaseUrl: api.databaseUrl });
  });

  afterAll(async () => {
    await api.close();
    await worker.close();
  });

  it('report a completed job with ids, status and counts, signed', async () => {
    const owner = new WebhookOwner(api);
    const path = aPath();
    const { id, secret } = await owner.register(receiver.url(path));

    const job = await owner.mirror('/patients', [aPatient(), aPatient({ externalId: '2', dateOfBirth: '1850-01-01' })]);

    const [request] = await receiver.waitFor(path, 1);
    expect(request?.body).toEqual({
      type: 'job.completed',
      timestamp: INSTANT,
      data: {
        jobId: job.id,
        source: owner.source,
        resource: 'patients',
        status: 'completed',
        dryRun: false,
        counts: job.counts,
        link: `/sync/jobs/${job.id}`,
      },
    });
    expect(request?.headers).toMatchObject({ 'content-type': 'application/json', 'webhook-id': UUID });
    expect(Math.abs(Date.now() / 1000 - Number(request?.headers['webhook-timestamp']))).toBeLessThan(30);
    expect(signersOf(request as never, [secret, 'whsec_AAAA'])).toEqual([secret]);
    const delivery = await owner.settledAs(id, 'delivered');
    expect(delivery).toEqual({
      id: request?.headers['webhook-id'],
      type: 'job.completed',
      jobId: job.id,
      status: 'delivered',
      attempts: 1,
      responseStatus: 204,
      reason: null,
      nextAttemptAt: null,
      created: request?.body.timestamp,
      attemptedAt: INSTANT,
      finishedAt: INSTANT,
    });
  });

  it('report a failed job without the details of the fault', async () => {
    const owner = new WebhookOwner(api);
    const path = aPath();
    await owner.register(receiver.url(path));

    const job = await owner.mirror('/patients', '[{"externalId":"1","lastName":"Deckard"},{"Voight":}]');

    const [request] = await receiver.waitFor(path, 1);
    expect(job.status).toBe('failed');
    expect(request?.body).toMatchObject({ type: 'job.failed', data: { jobId: job.id, status: 'failed' } });
    expect(request?.text).not.toMatch(/Deckard|Voight|malformed|line|byteOffset/i);
  });

  it('report a job that waits for approval, without the ids that would be deleted, and its end', async () => {
    const owner = new WebhookOwner(api);
    const path = aPath();
    await owner.mirror('/patients', [aPatient({ externalId: 'gone-4711' }), aPatient()]);
    await owner.register(receiver.url(path));

    const held = await owner.mirror('/patients?deletes=hold', [aPatient()]);
    const [waiting] = await receiver.waitFor(path, 1);
    await owner.decide(held.id, 'approve', { Prefer: 'wait=20' });
    const [, done] = await receiver.waitFor(path, 2);

    expect(waiting?.body).toMatchObject({ type: 'job.awaiting_approval', data: { jobId: held.id } });
    expect(waiting?.text).not.toMatch(/gone-4711|Deckard|sample|reason/);
    expect(done?.body).toMatchObject({ type: 'job.completed', data: { jobId: held.id, counts: { deleted: 1 } } });
  });

  it('report a job that completes without being read', async () => {
    const owner = new WebhookOwner(api);
    const path = aPath();
    await owner.mirror('/patients', somePatients(3));
    await owner.register(receiver.url(path));

    const again = await owner.mirror('/patients', somePatients(3));

    const [request] = await receiver.waitFor(path, 1);
    expect(request?.body.data).toMatchObject({ jobId: again.id, counts: { unchanged: 3 } });
  });
});

describe('a webhook', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ WEBHOOK_TARGETS: 'any' });
  });

  afterAll(() => server.close());

  it('is sent once for each job and subscribed endpoint', async () => {
    const owner = new WebhookOwner(server);
    const [all, failures, off] = [aPath(), aPath(), aPath()];
    const subscribed = [
      await owner.register(receiver.url(all)),
      await owner.register(receiver.url(failures), { events: ['job.failed'] }),
      await owner.register(receiver.url(off)),
    ];
    await owner.ok('PATCH', `/webhooks/${subscribed[2].id}`, { enabled: false });

    const jobs = [];
    for (const body of [somePatients(2), somePatients(3), '[{', somePatients(4)]) {
      jobs.push(await owner.mirror('/patients', body));
    }

    await receiver.waitFor(all, 4);
    await receiver.waitFor(failures, 1);
    expect(
      receiver
        .at(all)
        .map(({ body }) => String(body.data.jobId))
        .toSorted(),
    ).toEqual(jobs.map(({ id }) => id));
    expect(receiver.at(failures).map(({ body }) => body.data.jobId)).toEqual([jobs[2]?.id]);
    const deliveries = await Promise.all(subscribed.map(({ id }) => owner.deliveries(id)));
    expect(deliveries.map((items) => items.length)).toEqual([4, 1, 0]);
    expect(receiver.at(off)).toEqual([]);
  });

  it('is not sent to another source', async () => {
    const [owner, other] = [new WebhookOwner(server), new WebhookOwner(server)];
    const { id } = await owner.register(receiver.url(aPath()));

    await other.mirror('/patients', [aPatient()]);

    expect(await owner.deliveries(id)).toEqual([]);
  });

  it('says whether the job was a dry run', async () => {
    const owner = new WebhookOwner(server);
    const path = aPath();
    await owner.register(receiver.url(path));

    await owner.mirror('/patients?dryRun=true', somePatients(2));

    const [request] = await receiver.waitFor(path, 1);
    expect(request?.body.data).toMatchObject({ dryRun: true, counts: { created: 2 } });
  });

  it('is not written for jobs that end in another way', async () => {
    const owner = new WebhookOwner(server);
    const { id } = await owner.register(receiver.url(aPath()));
    await owner.mirror('/patients', somePatients(2));
    const held = await owner.mirror('/patients?deletes=hold', [aPatient()]);

    await owner.decide(held.id, 'reject');

    const types = (await owner.deliveries(id)).map(({ type }) => type);
    expect(types).toEqual(['job.awaiting_approval', 'job.completed']);
  });

  it('is not written when the transaction that would end the job is rolled back', async () => {
    const owner = new WebhookOwner(server);
    const { id } = await owner.register(receiver.url(aPath()));
    await owner.mirror('/patients', somePatients(2));
    const held = await owner.mirror('/patients?deletes=hold', [aPatient()]);
    const before = await owner.deliveries(id);
    const em = server.app.get(MikroORM).em.fork();

    const undone = acrossSources(() =>
      em.transactional(async (transaction) => {
        const job = await transaction.findOneOrFail(SyncJob, held.id);
        job.moveTo('queued', new Date());
        job.moveTo('failed', new Date());
        await transaction.flush();
        const inside = await transaction.execute('select 1 from webhook_delivery where job_id = ? and type = ?', [
          held.id,
          'job.failed',
        ]);
        throw new Error(`rolled back with ${inside.length} written`);
      }),
    );

    await expect(undone).rejects.toThrow('rolled back with 1 written');
    expect((await owner.deliveries(id)).map((delivery) => delivery.id)).toEqual(before.map((delivery) => delivery.id));
    expect((await owner.settled(held.id)).status).toBe('awaiting_approval');
  });

  it('does not delay a job while an endpoint is being deleted', async () => {
    const owner = new WebhookOwner(server);
    const endpoints = [];
    for (let count = 0; count < 5; count++) endpoints.push(await owner.register(receiver.url(aPath())));

    const jobs = Array.from({ length: 5 }, (_, index) =>
      owner.mirror('/payments?mode=partial', [aPayment({ externalId: String(index) })]),
    );
    await Promise.all(endpoints.map(({ id }) => owner.ok('DELETE', `/webhooks/${id}`)));

    expect((await Promise.all(jobs)).map(({ status }) => status)).toEqual(Array(5).fill('completed'));
    expect(await owner.get('/webhooks')).toEqual({ items: [], nextCursor: null });
  });

  it('is kept while it waits, and after its end for as many days as the settings say', async () => {
    const owner = new WebhookOwner(server);
    const path = aPath();
    const { id } = await owner.register(receiver.url(path));
    for (let ping = 1; ping <= 3; ping++) {
      await owner.ok('POST', `/webhooks/${id}/test`);
      await receiver.waitFor(path, ping);
      await owner.settledAs(id, 'delivered');
    }
    const [waiting, fresh, old] = await owner.deliveries(id);
    const age = `update webhook_delivery set created = now() - $2 * interval '1 day', finished_at = now() - $2 * interval '1 day',
                        status = $3 where id = $1`;
    await server.query(age, [old.id, 30, 'failed']);
    await server.query(age, [fresh.id, 29, 'delivered']);
    await server.query(
      `update webhook_delivery set created = now() - interval '99 days', finished_at = null, status = 'pending',
              next_attempt_at = now() + interval '1 hour' where id = $1`,
      [waiting.id],
    );

    await server.app.get(WebhookCleaner, { strict: false }).clean();

    expect((await owner.deliveries(id)).map((delivery) => delivery.id)).toEqual([waiting.id, fresh.id]);
  });

  it('is counted for Prometheus by state', async () => {
    const owner = new WebhookOwner(server);
    const { id } = await owner.register(receiver.url(aPath()));
    await owner.ok('PATCH', `/webhooks/${id}`, { enabled: false });

    const text = await (await server.fetch('/metrics')).text();

    expect(text).toContain(`counterpart_webhook_deliveries{source="${owner.source}",state="pending"} 0`);
    expect(text).toContain(`counterpart_webhook_deliveries{source="${owner.source}",state="failed"} 0`);
    expect(text).toContain(`counterpart_webhooks_disabled{source="${owner.source}"} 1`);
  });
});
