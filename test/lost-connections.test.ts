import { EntityManager, MikroORM } from '@mikro-orm/postgresql';
import { expect, it } from '@jest/globals';
import { setImmediate } from 'node:timers/promises';
import pg from 'pg';
import { DatabasePool } from '../src/database/database-pool.js';
import { chooseQueueBackend } from '../src/queue/queue.js';
import { acrossSources } from '../src/database/source-isolation.js';
import { aPatient, Sender } from './http/sender.js';
import { startTestServer } from './setup/test-server.js';

// Found by a chaos run: a process whose database went away right after its start ended with an unhandled error.
it('survives the loss of idle connections', async () => {
  const server = await startTestServer();
  const queue = chooseQueueBackend(server.config, server.databaseUrl).options.connection as pg.PoolConfig;
  const { max, Client, connectionString } = queue;
  const pool = new pg.Pool({ max, Client, connectionString });
  const client = await pool.connect();
  const lost = new Promise((resolve) => client.once('end', resolve));

  await server.query('select pg_terminate_backend($1)', [(client as unknown as { processID: number }).processID]);
  await lost;

  client.release(true);
  await pool.end();
  const em = server.app.get(EntityManager).fork();
  const transaction = em.transactional(async (inside) => {
    const [row] = await inside.execute<{ pid: number }[]>('select pg_backend_pid() as pid');
    await server.query('select pg_terminate_backend($1, 5000)', [row?.pid]);
    // No query is sent until the loss has been noticed.
    await server.get('/health/live');
    await inside.execute('select 1');
  });
  await expect(transaction).rejects.toThrow(/connection|not queryable/i);
  expect((await server.fetch('/health/ready')).status).toBe(200);
  await server.close();
});

// Found by a test of the stop: a poll of the jobs was connecting, and the process ended only by its hard exit.
it('closes its connections though some are just being made', async () => {
  const server = await startTestServer({ ROLE: 'api' });
  const orm = server.app.get(MikroORM);
  const pool = server.app.get(DatabasePool);
  const before = pool.state();
  const queries = Array.from({ length: 8 }, () => acrossSources(() => orm.em.fork().execute('select 1')));
  const outcomes = Promise.allSettled(queries);
  // At each turn of the loop: between two looks of `until` a quick machine has made them all.
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await setImmediate()) {
    if (pool.state().busy + pool.state().idle > before.busy + before.idle) break;
  }

  await orm.close();

  expect((await outcomes).map(({ status }) => status)).toContain('rejected');
  await server.close();
});

it('opens at most six sessions for all its queues and workers, besides those on which workers listen', async () => {
  const server = await startTestServer();
  const senders = Array.from({ length: 20 }, () => new Sender(server));
  await Promise.all(senders.map((from) => from.mirror('/patients', [aPatient()])));

  const [row] = await server.query(
    `select count(*)::int as sessions from pg_stat_activity
      where datname = current_database() and application_name = 'counterpart queue'`,
  );

  expect(row.sessions).toBeGreaterThan(0);
  expect(row.sessions).toBeLessThanOrEqual(6);
  await server.close();
});
