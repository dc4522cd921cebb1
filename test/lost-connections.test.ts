import { EntityManager } from '@mikro-orm/postgresql';
import { expect, it } from '@jest/globals';
import pg from 'pg';
import { chooseQueueBackend } from '../src/platform/queue.js';
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
