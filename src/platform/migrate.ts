import { MikroORM, type Options } from '@mikro-orm/postgresql';
import { runMigrations as runQueueMigrations } from 'bullmq';
import pg from 'pg';
import { identifier } from './database.js';
import { queueSchema } from './queue.js';
import { ensureRoles } from './database-roles.js';
import { APP_ROLE } from './source-isolation.js';

/** Any constant will do, as long as it stays the same: instances that start at the same time wait for this lock. */
const MIGRATION_LOCK = 7_220_251_121;

/**
 * Brings the database up to date: our tables, then those of the queue if it is in PostgreSQL too. Instances that start
 * together wait for each other; the later ones find nothing to do. To be called before the application is created: a
 * queue that finds no tables when it is created never looks again.
 */
export async function migrate(options: Options, databaseUrl: string, queue: { prefix: string } | null): Promise<void> {
  const orm = new MikroORM(options);
  const [lock, client] = [newClient(databaseUrl), newClient(databaseUrl)];
  try {
    await Promise.all([lock.connect(), client.connect()]);
    // A lock of a transaction rather than of the session, which a pooler would share with other clients.
    await lock.query('begin');
    await lock.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await ensureRoles(client);
    await orm.migrator.up();
    if (queue) {
      await runQueueMigrations(client, queueSchema(queue.prefix));
      await client.query(letAppUse(queueSchema(queue.prefix)));
    }
  } finally {
    await client.end();
    // This ends the transaction and releases the lock.
    await lock.end();
    await orm.close();
  }
}

/**
 * For servers that do not run the migrations themselves: checks that the last one has been run.
 * @throws Error if it has not
 */
export async function refuseUnlessMigrated(options: Options, databaseUrl: string): Promise<void> {
  const last = options.migrations?.migrationsList?.at(-1);
  const client = newClient(databaseUrl);
  await client.connect();
  try {
    await client.query(`set role ${APP_ROLE}`);
    const name = typeof last === 'object' && 'name' in last ? last.name : '';
    const { rowCount } = await client.query('select from mikro_orm_migrations where name = $1', [name]);
    if (rowCount === 1) return;
  } catch (error) {
    throw new Error(NOT_MIGRATED, { cause: error });
  } finally {
    await client.end();
  }
  throw new Error(NOT_MIGRATED);
}

const NOT_MIGRATED =
  'The database is not up to date, and MIGRATIONS=skip: run `npm run cli -- migrate` as its owner first.';

/** For servers whose user owns nothing, see docs/operations.md. */
function letAppUse(schema: string): string {
  return ['tables', 'sequences', 'routines']
    .map((kind) => `grant all on all ${kind} in schema ${identifier(schema)} to ${APP_ROLE};`)
    .concat(`grant usage on schema ${identifier(schema)} to ${APP_ROLE};`)
    .join('\n');
}

function newClient(databaseUrl: string): pg.Client {
  return new pg.Client({ connectionString: databaseUrl, application_name: 'counterpart migrations' });
}
