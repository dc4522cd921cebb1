import {
  createPostgresBackend,
  createRedisBackend,
  setDefaultBackendFactory,
  type BackendFactory,
  type QueueOptions,
} from 'bullmq';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import pg from 'pg';
import type { Config } from './config.js';

/** Connections that each of a process's queues and workers may hold to a queue in PostgreSQL, the listening one aside. */
const POSTGRES_POOL_SIZE = 3;

/** The PostgreSQL schema that holds the queue's tables. */
export function queueSchema(prefix: string): string {
  return `bullmq_${prefix.replaceAll('-', '_')}`;
}

/**
 * Chooses BullMQ's backend for this process, once, before the first queue is made: Redis with `REDIS_URL`, else the
 * database that holds the mirror. Everything above this line is the same on both.
 */
export function chooseQueueBackend(config: Config, databaseUrl: string): QueueOptions {
  if (config.REDIS_URL) {
    setDefaultBackendFactory(createRedisBackend);
    return { connection: redisConnection(config.REDIS_URL), prefix: redisPrefix(config) };
  }
  setDefaultBackendFactory(createPatientBackend as unknown as BackendFactory);
  const connection = {
    connectionString: databaseUrl,
    schema: queueSchema(config.QUEUE_PREFIX),
    max: POSTGRES_POOL_SIZE,
    application_name: 'counterpart queue',
    Client: PatientClient,
  };
  return { connection };
}

/**
 * BullMQ (6.7) remembers for ever that its first look at its tables failed: a worker that lost its connection in that
 * moment would never take a job again. Here the next one who asks looks again.
 */
function createPatientBackend(...order: Parameters<typeof createPostgresBackend>) {
  const backend = createPostgresBackend(...order);
  for (const part of [backend, (backend as unknown as { connection: object }).connection]) lookAgain(part as Starting);
  return backend;
}

/** What remembers how its start went. */
interface Starting {
  readyPromise: Promise<void> | undefined;
  waitUntilReady: () => Promise<void>;
}

function lookAgain(part: Starting): void {
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
 * BullMQ (6.7) holds a client while it looks at its tables, and listens to no errors of it: a database that went away
 * in the first seconds of a process ended it. The next query tells of the loss.
 */
class PatientClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

function hostsOf(url: string): string[] {
  return url.replace(/^rediss?:\/\//, '').split(',');
}

/** On a cluster all keys of a queue must lie in one slot: the braces see to it. */
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
    // BullMQ's workers wait for Redis for as long as it takes.
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => Math.min(attempt * 100, 1000),
    ...(parsed.username ? { username: decodeURIComponent(parsed.username) } : {}),
    ...(parsed.password ? { password: decodeURIComponent(parsed.password) } : {}),
    ...(parsed.protocol === 'rediss:' ? { tls: {} } : {}),
  };
  return options as QueueOptions['connection'];
}

/** A connection to the Redis of the queue, or to its cluster, for other uses. */
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

/** Whether the Redis of the queue answers within `timeoutMs`; its own connection, so that a hanging one hides nothing. */
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
