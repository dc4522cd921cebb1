import { MikroORM, type Options } from '@mikro-orm/postgresql';
import { runMigrations as runQueueMigrations } from 'bullmq';
import pg from 'pg';
import { queueSchema } from './queue.js';

/** Any constant will do, as long as it stays: instances that start at the same time queue up behind it. */
const MIGRATION_LOCK = 7_220_251_121;

/**
 * Brings the database up to date: our tables, then those of the queue if it lives in PostgreSQL too. Instances that
 * start together wait for each other; the ones that come later find nothing to do. To be done before the application
 * is made: a queue that finds no tables as it is made never looks again.
 */
export async function migrate(options: Options, databaseUrl: string, queue: { prefix: string } | null): Promise<void> {
  const orm = new MikroORM(options);
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'counterpart migrations' });
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await orm.migrator.up();
    if (queue) await runQueueMigrations(client, queueSchema(queue.prefix));
  } finally {
    // Ending the session gives the lock back.
    await client.end();
    await orm.close();
  }
}
