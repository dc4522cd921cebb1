import {
  createPostgresBackend,
  createRedisBackend,
  setDefaultBackendFactory,
  type BackendFactory,
  type QueueOptions,
} from 'bullmq';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type pg from 'pg';
import type { Config } from './config.js';
import { FollowingClient } from './following-client.js';

/** Connections to a queue in PostgreSQL that each queue and worker of a process may hold, besides the listening one. */
const POSTGRES_POOL_SIZE = 3;

/** The PostgreSQL schema that holds the queue's tables. */
export function queueSchema(prefix: string): string {
  return `bullmq_${prefix.replaceAll('-', '_')}`;
}

/**
 * Chooses BullMQ's backend for this process, once, before the first queue is made: Redis with `REDIS_URL`, else the
 * database that holds the mirror. The rest of the application is the same on both.
 */
export function chooseQueueBackend(config: Config, databaseUrl: string): QueueOptions {
  if (config.REDIS_URL) {
    setDefaultBackendFactory(createRedisBackend);
    return { connection: redisConnection(config.REDIS_URL), prefix: redisPrefix(config) };
  }
  setDefaultBackendFactory(createRetryingBackend as unknown as BackendFactory);
  const connection = {
    connectionString: databaseUrl,
    schema: queueSchema(config.QUEUE_PREFIX),
    max: POSTGRES_POOL_SIZE,
    application_name: 'counterpart queue',
    Client: RetryingClient,
  };
  return { connection };
}

/**
 * BullMQ (6.7) checks its tables once, and keeps a failure of that check for ever: a worker that lost its connection at
 * that moment would never take a job again. Here the next call repeats a failed check.
 */
function createRetryingBackend(...order: Parameters<typeof createPostgresBackend>) {
  const backend = createPostgresBackend(...order);
  const { connection } = backend as unknown as { connection: Startable & { pgModule: unknown } };
  for (const part of [backend as unknown as Startable, connection]) retryStart(part);
  // Its client that listens is not one of the pool, but made of this.
  connection.pgModule = { Client: RetryingClient };
  return backend;
}

/** An object of BullMQ that keeps the outcome of its start. */
interface Startable {
  readyPromise: Promise<void> | undefined;
  waitUntilReady: () => Promise<void>;
}

function retryStart(part: Startable): void {
  const waitUntilReady = part.waitUntilReady.bind(part);
  part.waitUntilReady = async () => {
    try {
      await waitUntilReady();
    } catch (error) {
      part.readyPromise = undefined;
      throw error;
    }
  };
}

/**
 * BullMQ (6.7) holds a client while it checks its tables, and does not listen to its errors: a database that went away in
 * the first seconds of a process ended the process. The client's next query reports the loss, and BullMQ retries.
 */
class RetryingClient extends FollowingClient {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

function hostsOf(url: string): string[] {
  return url.replace(/^rediss?:\/\//, '').split(',');
}

/** On a cluster all keys of a queue must be in one slot, which the braces ensure. */
function redisPrefix(config: Config): string {
  return hostsOf(config.REDIS_URL ?? '').length > 1 ? `{${config.QUEUE_PREFIX}}` : config.QUEUE_PREFIX;
}

/** A cluster is written `redis://a:6379,b:6379,c:6379`; one server as a usual Redis URL. */
function redisConnection(url: string): QueueOptions['connection'] {
  const hosts = hostsOf(url);
  if (hosts.length > 1) {
    const nodes = hosts.map((host) => `redis://${host}`);
    return new Cluster(nodes, {
      redisOptions: { maxRetriesPerRequest: null },
    });
  }
  const parsed = new URL(url);
  const options: RedisOptions = {
    host: parsed.hostname,
    port: Number(parsed.port || 6379),
    db: Number(parsed.pathname.slice(1) || 0),
    // BullMQ's workers require this: they wait for Redis for as long as it takes.
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => Math.min(attempt * 100, 1000),
    ...(parsed.username ? { username: decodeURIComponent(parsed.username) } : {}),
    ...(parsed.password ? { password: decodeURIComponent(parsed.password) } : {}),
    ...(parsed.protocol === 'rediss:' ? { tls: {} } : {}),
  };
  return options as QueueOptions['connection'];
}

/** A connection to the queue's Redis, or its cluster, for other uses. */
export function redisClient(url: string, options: RedisOptions): Redis | Cluster {
  const hosts = hostsOf(url);
  if (hosts.length === 1) return new Redis(url, options);
  const { lazyConnect, enableOfflineQueue, ...redisOptions } = options;
  return new Cluster(
    hosts.map((host) => `redis://${host}`),
    {
      redisOptions,
      ...(lazyConnect === undefined ? {} : { lazyConnect }),
      ...(enableOfflineQueue === undefined ? {} : { enableOfflineQueue }),
    },
  );
}

/** Whether the queue's Redis answers within `timeoutMs`. Uses a new connection, as an existing one may hang. */
export async function pingRedis(url: string, timeoutMs: number): Promise<boolean> {
  const client = new Redis(hostsOf(url).length > 1 ? `redis://${hostsOf(url)[0]}` : url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.ping()) === 'PONG';
  } catch {
    return false;
  } finally {
    client.disconnect();
  }
}
