import { MikroORM, type Options } from '@mikro-orm/postgresql';
import { runMigrations as runQueueMigrations } from 'bullmq';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { identifier } from '../database/database.js';
import { queueSchema } from '../queue/queue.js';
import { ensureRoles } from '../database/database-roles.js';
import { APP_ROLE } from '../database/source-isolation.js';

/** Any constant will do, as long as it stays the same: instances that start at the same time wait for this lock. */
const MIGRATION_LOCK = 7_220_251_121;

const LOCK_PAUSE_MS = 100;

/**
 * Brings the database up to date: our tables, then those of the queue if it is in PostgreSQL too. Instances that start
 * together wait for each other; the later ones find nothing to do. To be called before the application is created: a
 * queue that finds no tables when it is created never looks again.
 * @param then what else is to be done under the same lock, by the owner of the tables
 */
export async function migrate<T>(
  options: Options,
  databaseUrl: string,
  queue: { prefix: string } | null,
  then: (client: pg.Client) => Promise<T> = () => Promise.resolve(undefined as T),
): Promise<T> {
  const orm = new MikroORM(options);
  const [lock, client] = [newClient(databaseUrl), newClient(databaseUrl)];
  try {
    await Promise.all([lock.connect(), client.connect()]);
    // A lock of a transaction rather than of the session, which a pooler would share with other clients.
    await lock.query('begin');
    await takeLock(lock);
    await ensureRoles(client);
    await orm.migrator.up();
    if (queue) {
      await runQueueMigrations(client, queueSchema(queue.prefix));
      await client.query(letAppUse(queueSchema(queue.prefix)));
    }
    return await then(client);
  } finally {
    await client.end();
    // This ends the transaction and releases the lock.
    await lock.end();
    await orm.close();
  }
}

/**
 * Polls, and without parameters: sessions that wait for the lock in a statement have a snapshot, and so has one with a
 * parametrised statement until its transaction ends. CREATE INDEX CONCURRENTLY would wait for those for ever.
 */
async function takeLock(lock: pg.Client): Promise<void> {
  for (;;) {
    const { rows } = await lock.query<{ taken: boolean }>(
      `select pg_try_advisory_xact_lock(${MIGRATION_LOCK}) as taken`,
    );
    if (rows[0]?.taken) return;
    await delay(LOCK_PAUSE_MS);
  }
}

/**
 * For servers that do not run the migrations themselves: checks that the last one has been run.
 * @param then what else is to be checked
 * @throws Error if it has not
 */
export async function refuseUnlessMigrated(
  options: Options,
  databaseUrl: string,
  then: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const last = options.migrations?.migrationsList?.at(-1);
  const client = newClient(databaseUrl);
  await client.connect();
  try {
    await client.query(`set role ${APP_ROLE}`);
    const name = typeof last === 'object' && 'name' in last ? last.name : '';
    const isMigrated = await client
      .query('select from mikro_orm_migrations where name = $1', [name])
      .then(({ rowCount }) => rowCount === 1)
      .catch((error: unknown) => {
        throw new Error(NOT_MIGRATED, { cause: error });
      });
    if (!isMigrated) throw new Error(NOT_MIGRATED);
    await then(client);
  } finally {
    await client.end();
  }
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
