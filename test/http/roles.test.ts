import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { backendsInTurn, startTestServer, type TestServer } from '../setup/test-server.js';
import { aPatient, aPayment, Sender, somePatients } from './sender.js';

describe.each(backendsInTurn(1))('api and worker apart, on the %s queue', (backend) => {
  let api: TestServer;
  let worker: TestServer;
  let from: Sender;

  beforeAll(async () => {
    const QUEUE_PREFIX = `t${randomBytes(4).toString('hex')}`;
    api = await startTestServer({ backend, ROLE: 'api', QUEUE_PREFIX });
    worker = await startTestServer({ backend, ROLE: 'worker', QUEUE_PREFIX, databaseUrl: api.databaseUrl });
    from = new Sender(api);
  });

  afterAll(async () => {
    await api.close();
    await worker.close();
  });

  it('the worker processes what the api has accepted', async () => {
    expect(await from.mirror('/patients', somePatients(3))).toMatchObject({
      status: 'completed',
      counts: { created: 3 },
    });
    expect(await from.mirror('/payments', [aPayment()])).toMatchObject({ status: 'completed', counts: { created: 1 } });
    expect(await from.get('/patients/1')).toMatchObject({ paymentsTotal: '1.00' });
  });

  it('the worker applies what was approved through the api', async () => {
    const held = await from.mirror('/patients?deletes=hold', [aPatient()]);
    expect(held.status).toBe('awaiting_approval');

    const approved = await from.decide(held.id, 'approve', { Prefer: 'wait=20' });

    expect(await approved.json()).toMatchObject({ status: 'completed', counts: { deleted: 2 } });
  });

  it('the jobs of one source and resource take effect in the order of acceptance', async () => {
    const ids: string[] = [];
    for (let round = 0; round < 8; round++) {
      const patients = [aPatient({ firstName: `round ${round}` })];
      const job: any = await (await from.post('/patients?mode=partial', patients)).json();
      ids.push(job.id);
    }

    const jobs = await Promise.all(ids.map((id) => from.settled(id)));

    expect(jobs.map(({ status }) => status)).toEqual(Array(8).fill('completed'));
    expect(jobs.map(({ finishedAt }) => String(finishedAt))).toEqual(
      jobs.map(({ finishedAt }) => String(finishedAt)).toSorted(),
    );
    expect(await from.get('/patients/1')).toMatchObject({ firstName: 'round 7' });
  });

  it.each(['/health', '/health/live', '/health/ready', '/metrics'])('both answer %s', async (path) => {
    for (const server of [api, worker]) {
      const response = await server.fetch(path);
      expect(response.status).toBe(200);
      expect(response.headers.get('x-request-id')).toMatch(/^[\w-]{8,}$/);
    }
  });

  it.each([
    '/',
    '/patients',
    '/patients/1',
    '/payments',
    '/sync/jobs',
    '/docs',
    '/openapi.json',
    '/admin/queues',
    '/admin/queues/api/queues',
  ])('the worker does not serve %s', async (path) => {
    for (const method of ['GET', 'POST']) {
      const response = await worker.fetch(path, { method });
      expect({ method, status: response.status }).toEqual({ method, status: 404 });
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    }
    if (path !== '/') expect((await api.fetch(path, { headers: { 'X-Source': from.source } })).status).toBe(200);
  });
});
