import { expect, it } from '@jest/globals';
import pg from 'pg';
import { startTestServer } from '../setup/test-server.js';
import { aPatient, Sender } from './sender.js';

// Found by a reader: a decision waited for half a minute for a job that was being worked on, then answered 503.
it('a decision on a job that a worker has locked is refused soon, and is possible again once it is free', async () => {
  const server = await startTestServer({ ROLE: 'api' });
  const from = new Sender(server);
  const { id } = (await (await from.post('/patients', [aPatient()])).json()) as { id: string };
  const worker = new pg.Client(server.databaseUrl);
  await worker.connect();
  await worker.query('begin');
  await worker.query('select from sync_job where id = $1 for update', [id]);

  const refused = await from.decide(id, 'cancel');

  expect(refused.status).toBe(409);
  expect(await refused.json()).toMatchObject({ code: 'wrong_status' });
  await worker.end();
  const cancelled = await from.decide(id, 'cancel');
  expect(await cancelled.json()).toMatchObject({ id, status: 'cancelled' });
  await server.close();
});
