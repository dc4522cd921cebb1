import {
  createPostgresBackend,
  createRedisBackend,
  setDefaultBackendFactory,
  type BackendFactory,
  type QueueOptions,
} from 'bullmq';
import pg from 'pg';
import { clusterBackend } from './cluster-backend.js';
import type { Config } from '../settings/config.js';
import { FollowingClient } from '../database/following-client.js';
import { clusterClient, redisAccess } from './redis.js';
import { parseRedisUrl, type RedisAddress } from '../settings/redis-address.js';

/** Connections that the queues and workers of a process share, besides the one on which each worker listens. */
const POSTGRES_POOL_SIZE = 6;

/** BullMQ's workers require that a command waits for Redis for as long as it takes. */
const WITHOUT_LIMIT = null;

/**
 * The queue's own transactions do not wait for the disk. A crash of PostgreSQL loses some tenths of a second of them; our
 * tables say what was on its way, and the rescuers send it again.
 */
const SESSION_OPTIONS = '-c synchronous_commit=off';

/** The PostgreSQL schema that holds the queue's tables. */
export function queueSchema(prefix: string): string {
  return `bullmq_${prefix.replaceAll('-', '_')}`;
}

/** How queues and workers are made, and what is left to close after them. */
export interface QueueBackend {
  options: QueueOptions;
  close: () => Promise<void> | void;
}

/**
 * Chooses BullMQ's backend for this process, once, before the first queue is made: Redis with `REDIS_URL`, else the
 * database that holds the mirror. The rest of the application is the same on both.
 */
export function chooseQueueBackend(config: Config, databaseUrl: string): QueueBackend {
  if (config.REDIS_URL) {
    const address = parseRedisUrl(config.REDIS_URL);
    return address.isCluster ? queueInCluster(config, address) : queueInRedis(config, address);
  }
  setDefaultBackendFactory(createRetryingBackend as unknown as BackendFactory);
  const connection = {
    connectionString: databaseUrl,
    schema: queueSchema(config.QUEUE_PREFIX),
    max: POSTGRES_POOL_SIZE,
    application_name: 'counterpart queue',
    options: SESSION_OPTIONS,
    Client: RetryingClient,
  };
  return { options: { connection }, close: () => pools.get(connection)?.end() };
}

/** The pools that queues and workers share, by the connection options that a server gives to all of them. */
const pools = new WeakMap<object, pg.Pool>();

/**
 * BullMQ (6.7) checks its tables once, and keeps a failure of that check for ever: a worker that lost its connection at
 * that moment would never take a job again. Here the next call repeats a failed check. It also makes a pool for each queue
 * and worker: eight of them opened eight sessions at each start, and up to 24 later.
 */
function createRetryingBackend(...order: Parameters<typeof createPostgresBackend>) {
  const backend = createPostgresBackend(...order);
  const { connection } = backend as unknown as { connection: PostgresConnection };
  for (const part of [backend as unknown as Startable, connection]) retryStart(part);
  // Its client that listens is not one of the pool, but made of this.
  connection.pgModule = { Client: RetryingClient };
  // The pool that it has made has not connected yet.
  Object.assign(connection, { pool: sharedPool(order[1].connection as object, connection), ownsPool: false });
  return backend;
}

/** The pool of all that is made with the same options. The first one of them reports its lost clients. */
function sharedPool(options: object, connection: PostgresConnection): pg.Pool {
  const made = pools.get(options);
  if (made) return made;
  const pool = new pg.Pool(connection.listenClientConfig);
  pool.on('error', (error) => connection.emitError(error));
  pools.set(options, pool);
  return pool;
}

/** What we use of the connection of a backend of BullMQ's. */
interface PostgresConnection extends Startable {
  pgModule: unknown;
  listenClientConfig: pg.PoolConfig;
  emitError: (error: Error) => void;
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

/** BullMQ makes the connections to one server itself. */
function queueInRedis(config: Config, address: RedisAddress): QueueBackend {
  setDefaultBackendFactory(createRedisBackend);
  const [node] = address.nodes;
  const connection = {
    ...node,
    db: address.db,
    maxRetriesPerRequest: WITHOUT_LIMIT,
    retryStrategy: (attempt: number) => Math.min(attempt * 100, 1000),
    ...redisAccess(address),
  };
  const options = { connection: connection as QueueOptions['connection'], prefix: config.QUEUE_PREFIX };
  return { options, close: () => undefined };
}

const CLUSTER_OPTIONS = {
  maxRetriesPerRequest: WITHOUT_LIMIT,
  // During a failover a command is repeated every 100 ms, and each repetition uses one or two redirections, so 400 last for
  // 20 to 40 s. A replica takes over a few seconds after `cluster-node-timeout`, which is 15 s by default. With ioredis's
  // 16, a worker could not report finished entries, which then stayed locked for up to 9 s.
  maxRedirections: 400,
  // A node that was cut off does not close its end of a connection.
  disconnectTimeout: 500,
};

/** On a cluster all keys of a queue must be in one slot, which the braces ensure. */
function queueInCluster(config: Config, address: RedisAddress): QueueBackend {
  const open = (connectionName?: string) => clusterClient(address, { ...CLUSTER_OPTIONS, connectionName });
  setDefaultBackendFactory(clusterBackend(open));
  const cluster = open();
  return { options: { connection: cluster, prefix: `{${config.QUEUE_PREFIX}}` }, close: () => cluster.disconnect() };
}
