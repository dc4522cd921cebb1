import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { parseRedisUrl, type RedisAddress } from './redis-address.js';

/** What a cluster that can serve all keys says of itself, https://redis.io/docs/latest/commands/cluster-info/. */
const CLUSTER_IS_COMPLETE = /^cluster_state:ok\r?$/m;

/** Who we are to each node, and whether the connection to it is encrypted. */
export function redisAccess({ isEncrypted, username, password }: RedisAddress): RedisOptions {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(isEncrypted ? { tls: {} } : {}),
  };
}

/** A connection to the Redis of the queue, or to its cluster. */
export function redisClient(url: string, options: RedisOptions): Redis | Cluster {
  const address = parseRedisUrl(url);
  const [node] = address.nodes;
  if (address.isCluster) return clusterClient(address, options);
  return new Redis({ ...node, db: address.db, ...redisAccess(address), ...options });
}

/** @param options those of the connections to single nodes, and `lazyConnect` and `enableOfflineQueue` of the whole */
function clusterClient(address: RedisAddress, options: RedisOptions): Cluster {
  const { lazyConnect, enableOfflineQueue, ...ofNodes } = options;
  return new Cluster(address.nodes, {
    redisOptions: { ...redisAccess(address), ...ofNodes },
    // ioredis looks up names itself and connects to the addresses, for which no certificate is made.
    ...(address.isEncrypted ? { dnsLookup: (name, callback) => callback(null, name) } : {}),
    ...(lazyConnect === undefined ? {} : { lazyConnect }),
    ...(enableOfflineQueue === undefined ? {} : { enableOfflineQueue }),
  });
}

/** One server of the queue's Redis, as it is asked whether it answers. */
export interface RedisNode {
  /** A new connection, which is to be opened by `connect()` and gives up after the first failure. */
  open(): Redis;
  /** Whether it answers; of a cluster, whether it finds all keys served. */
  ask(client: Redis): Promise<boolean>;
}

/** The servers of the queue's Redis: of a cluster, those that the settings name. */
export function redisNodes(url: string, timeoutMs: number): RedisNode[] {
  const address = parseRedisUrl(url);
  return address.nodes.map((node) => ({
    open: () => probeClient({ ...node, ...redisAccess(address) }, timeoutMs),
    ask: async (client) =>
      address.isCluster ? CLUSTER_IS_COMPLETE.test(await client.cluster('INFO')) : (await client.ping()) === 'PONG',
  }));
}

function probeClient(node: RedisOptions, timeoutMs: number): Redis {
  const client = new Redis({
    ...node,
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    // ioredis keeps the process alive for this long.
    disconnectTimeout: 100,
  });
  client.on('error', () => undefined);
  return client;
}
