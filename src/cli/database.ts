import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../settings/config.js';
import { DataDirectoryInUseError } from '../database/embedded-postgres/data-directory-lock.js';
import { startEmbeddedPostgres } from '../database/embedded-postgres/embedded-postgres.js';
import { Failure } from './failure.js';
import { findRunningPostgres } from '../database/embedded-postgres/running-server.js';

/** A server that is starting holds its data directory for seconds before its PostgreSQL answers. */
const START_TIMEOUT_MS = 30_000;

const PAUSE_MS = 100;

/**
 * Works on the database itself: that of `DATABASE_URL`, or the embedded one, whether or not a server runs on it. If none
 * does, its PostgreSQL is started for the duration of the work.
 * @throws DataDirectoryInUseError if another process holds the data directory and its PostgreSQL does not answer
 */
export async function withDatabase<T>(config: Config, work: (databaseUrl: string) => Promise<T>): Promise<T> {
  if (config.DATABASE_URL) return work(config.DATABASE_URL);
  const { url, stop } = await reachEmbedded(config.DATA_DIR);
  try {
    return await work(url);
  } finally {
    await stop();
  }
}

/** PostgreSQL's error codes for missing tables and roles, which the migrations create. */
const NOT_MIGRATED = new Set(['42P01', '42704', '22023', '3F000']);

/** Like {@link withDatabase}, for commands that only make sense on an existing database: it is not created or migrated. */
export async function withExistingDatabase<T>(config: Config, work: (databaseUrl: string) => Promise<T>): Promise<T> {
  if (!config.DATABASE_URL && !existsSync(config.DATA_DIR)) {
    throw new Failure(`There is no database in ${config.DATA_DIR}: name it with DATA_DIR or DATABASE_URL.`);
  }
  try {
    return await withDatabase(config, work);
  } catch (error) {
    if (!NOT_MIGRATED.has((error as { code?: string }).code ?? '')) throw error;
    const message = 'This is not a database of counterpart, or it is not up to date: npm run cli -- migrate';
    throw new Failure(message, { cause: error });
  }
}

async function reachEmbedded(dataDir: string): Promise<{ url: string; stop: () => Promise<void> }> {
  for (const deadline = Date.now() + START_TIMEOUT_MS; ; await delay(PAUSE_MS)) {
    const url = await findRunningPostgres(dataDir);
    if (url !== undefined) return { url, stop: () => Promise.resolve() };
    try {
      return await startEmbeddedPostgres({ dataDir });
    } catch (error) {
      if (!(error instanceof DataDirectoryInUseError) || Date.now() > deadline) throw error;
    }
  }
}
