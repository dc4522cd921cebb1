import pg from 'pg';
import { query, until } from '../setup/test-server.js';

/** A lock that a test holds, or waits for, in a session of its own. */
export interface HeldLock {
  /** Resolves once the lock is held. */
  held: Promise<unknown>;
  release: () => Promise<void>;
}

/** Keeps a source's jobs from their commits: a job has its row and its mirror locked and waits to number its commit. */
export async function holdCommits(databaseUrl: string, source: string): Promise<HeldLock> {
  const client = await connect(databaseUrl);
  await client.query('begin');
  // Others may refer to the source meanwhile, as new jobs do.
  await client.query('select from source where name = $1 for no key update', [source]);
  return { held: Promise.resolve(), release: () => client.end() };
}

/** Keeps processes that start from migrating the database, see `migrate.ts`. */
export function holdMigrations(databaseUrl: string): Promise<HeldLock> {
  return hold(databaseUrl, 'select pg_advisory_lock($1)', [7_220_251_121]);
}

/** Waits until somebody waits for the lock of the migrations: by asking for it again and again. */
export function migrationsAreWaitedFor(databaseUrl: string): Promise<void> {
  const asking = `select 1 from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and query like 'select pg_try_advisory_xact_lock%'`;
  return until('the migrations are waited for', async () => (await query(databaseUrl, asking)).length > 0);
}

/** Waits until somebody waits for a lock of the others. */
export function isWaitedFor(databaseUrl: string): Promise<void> {
  const waiting = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
  return until('the lock is waited for', async () => (await query(databaseUrl, waiting)).length > 0);
}

/** Queues for the lock on the row of a job, which its worker holds, and keeps it once it is free. */
export async function queueForJob(databaseUrl: string, job: string): Promise<HeldLock> {
  const client = await connect(databaseUrl);
  const { rows } = await client.query('select pg_backend_pid() as pid');
  await client.query('begin');
  const held = client.query('select 1 from sync_job where id = $1 for update', [job]);
  held.catch(() => undefined);
  const waiting = `select 1 from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'`;
  await until('it waits for the job', async () => (await query(databaseUrl, waiting, [rows[0].pid])).length > 0);
  return { held, release: () => client.end() };
}

async function hold(databaseUrl: string, sql: string, values: unknown[]): Promise<HeldLock> {
  const client = await connect(databaseUrl);
  await client.query(sql, values);
  return { held: Promise.resolve(), release: () => client.end() };
}

async function connect(databaseUrl: string): Promise<pg.Client> {
  const client = new pg.Client(databaseUrl);
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
