import { Redis } from 'ioredis';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { type Config, loadConfig } from '../../src/settings/config.js';
import { type Server, startServer } from '../../src/server.js';
import type { JobView } from '../../src/sync/jobs/job-view.js';
import type { SyncQueue } from '../../src/sync/model/sync-queues.js';
import { IS_EXHAUSTIVE, SEED } from './exhaustive.js';

export type Backend = 'postgresql' | 'redis';

/** The database number is ours by agreement; the prefix is each server's own. */
export const REDIS_URL = 'redis://127.0.0.1:6379/7';

/** See `global-setup.mjs`. */
const TEMPLATE = JSON.parse(process.env['TEST_TEMPLATE'] ?? '{}') as { database: string; queuePrefix: string };

const hasRedis = await answersRedis();
if (!hasRedis) {
  if (process.env['CI']) throw new Error('CI wants Redis at 127.0.0.1:6379, and it does not answer');
  console.warn('\n  REDIS IS NOT THERE: the tests on the Redis queue are SKIPPED\n');
}

/** The queue backends that can be tested here: what concerns the queue is tested on each. */
export const BACKENDS: Backend[] = hasRedis ? ['postgresql', 'redis'] : ['postgresql'];

/**
 * The backends for a suite to which the queue is only a means: this one, or another if it is not there; both where the tests
 * are exhaustive.
 */
export function backendsOr(one: Backend): Backend[] {
  return IS_EXHAUSTIVE ? BACKENDS : [BACKENDS.includes(one) ? one : 'postgresql'];
}

/**
 * The backends for a long suite that concerns the queue: one, which the run draws, or both where the tests are exhaustive.
 * @param turn which of the suites this is: of two in a row each has another backend
 */
export function backendsInTurn(turn: number): Backend[] {
  if (IS_EXHAUSTIVE) return BACKENDS;
  return BACKENDS.slice((SEED + turn) % BACKENDS.length).slice(0, 1);
}

/** Which queue the jobs of small snapshots take in tests. */
export function queueOn(backend: Backend): SyncQueue {
  return backend === 'redis' ? 'long' : 'short';
}

/** What a test wants otherwise than the defaults. */
export interface TestServerOptions extends Partial<Omit<Config, 'DATABASE_URL' | 'REDIS_URL'>> {
  backend?: Backend;
  /** The database of another test server, for a second process on the same. */
  databaseUrl?: string;
  /** Another way to the Redis of the tests, such as one that can be cut. */
  redisUrl?: string;
}

/** A server with a database of its own, on a free port, and what a sender does with it. */
export class TestServer {
  constructor(
    private readonly server: Server,
    readonly databaseUrl: string,
    readonly config: Config,
  ) {}

  get url(): string {
    return this.server.url;
  }

  get app(): Server['app'] {
    return this.server.app;
  }

  /** What goes along with every request that does not say otherwise, such as a key. */
  readonly headers: Record<string, string> = {};

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(new URL(path, this.url), { ...init, headers: { ...this.headers, ...init.headers } });
  }

  async get<T = any>(path: string, init: RequestInit = {}): Promise<T> {
    return (await this.fetch(path, init)).json() as Promise<T>;
  }

  /** Sends records as a JSON snapshot and answers with the raw response. `path` may have a query. */
  submit(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
    return this.fetch(path, {
      method: 'POST',
      body: text as string | Uint8Array<ArrayBuffer>,
      headers: { 'Content-Type': 'application/json', ...headers },
    });
  }

  /** Sends a snapshot and waits until its job rests. Fails unless it was accepted. */
  async mirror(path: string, body: unknown, headers: Record<string, string> = {}): Promise<JobView> {
    const response = await this.submit(path, body, { Prefer: 'wait=30', ...headers });
    const job = (await response.json()) as JobView;
    if (!response.ok) throw new Error(`not accepted: ${JSON.stringify(job)}`);
    return job;
  }

  query<T extends pg.QueryResultRow = any>(sql: string, values: unknown[] = []): Promise<T[]> {
    return query<T>(this.databaseUrl, sql, values);
  }

  async close(): Promise<void> {
    await this.server.close();
    await closeSession(this.databaseUrl);
  }
}

/** Sessions of the tests, by database: a new one for each question costs PostgreSQL a process, and tests ask in loops. */
const sessions = new Map<string, Promise<pg.Client>>();

/** When the last question to a database so far has its answer. */
const turns = new Map<string, Promise<unknown>>();

/** Asks a database in a session of the test's own, one question after the other. */
export function query<T extends pg.QueryResultRow = any>(
  databaseUrl: string,
  sql: string,
  values: unknown[] = [],
): Promise<T[]> {
  const ask = async (): Promise<T[]> => {
    const session = sessions.get(databaseUrl) ?? openSession(databaseUrl);
    sessions.set(databaseUrl, session);
    return (await (await session).query<T>(sql, values)).rows;
  };
  const answer = (turns.get(databaseUrl) ?? Promise.resolve()).then(ask, ask);
  turns.set(databaseUrl, answer);
  return answer;
}

async function openSession(databaseUrl: string): Promise<pg.Client> {
  const client = new pg.Client(databaseUrl);
  // Tests cut sessions off, and this may be one of them: the next question opens another one.
  client.on('error', () => sessions.delete(databaseUrl));
  try {
    await client.connect();
    // It keeps no process of the tests alive. The types do not know the method.
    (client as unknown as { unref: () => void }).unref();
  } catch (error) {
    sessions.delete(databaseUrl);
    throw error;
  }
  return client;
}

async function closeSession(databaseUrl: string): Promise<void> {
  const session = sessions.get(databaseUrl);
  sessions.delete(databaseUrl);
  turns.delete(databaseUrl);
  await session?.then((client) => client.end()).catch(() => undefined);
}

export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const { backend = 'postgresql', redisUrl = REDIS_URL, databaseUrl = await createDatabase(), ...settings } = options;
  const isMigrated = !options.databaseUrl && (backend === 'redis' || !options.QUEUE_PREFIX);
  const config: Config = {
    ...loadConfig({ NODE_ENV: 'test', PORT: '0', LOG_LEVEL: 'silent' }),
    DATABASE_POOL_SIZE: 10,
    // On a fast machine some suites ask for more than a caller may.
    RATE_LIMIT_PER_MINUTE: 0,
    // In a database of its own a queue needs no name of its own.
    QUEUE_PREFIX: isMigrated && backend === 'postgresql' ? TEMPLATE.queuePrefix : `t${randomBytes(4).toString('hex')}`,
    // Declared resources have tables that the template does not.
    MIGRATIONS: isMigrated && options.RESOURCES_DIR === undefined ? 'skip' : 'run',
    // Small snapshots go the way of large ones on one of the backends, so that what is tested on both is tested on both ways.
    ...(queueOn(backend) === 'long' && { SHORT_JOB_BYTES: 0 }),
    ...settings,
    DATABASE_URL: databaseUrl,
    REDIS_URL: backend === 'redis' ? redisUrl : undefined,
  };
  return new TestServer(await startServer(config), databaseUrl, config);
}

/** A migrated database without rows in the PostgreSQL of this test run. @returns its URL */
export function createDatabase(): Promise<string> {
  return createDatabaseFrom(TEMPLATE.database);
}

/** A database in which nothing was ever done. @returns its URL */
export function createEmptyDatabase(): Promise<string> {
  return createDatabaseFrom('template1');
}

async function createDatabaseFrom(template: string): Promise<string> {
  const admin = process.env['TEST_DATABASE_URL'] ?? '';
  const name = `test_${randomBytes(6).toString('hex')}`;
  await query(admin, `create database ${name} template ${template}`);
  return Object.assign(new URL(admin), { pathname: `/${name}` }).href;
}

/** Waits for a state with a deadline. */
export async function until(what: string, isSo: () => Promise<boolean> | boolean, timeoutMs = 25_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`in vain: waited until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

async function answersRedis(): Promise<boolean> {
  const redis = new Redis(REDIS_URL, { lazyConnect: true, connectTimeout: 1000, retryStrategy: () => null });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return true;
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}
