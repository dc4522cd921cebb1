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

/**
 * Whether the Redis of the queue answers within `timeoutMs`; of a cluster, whether any of the nodes does and finds all
 * keys served. Uses new connections, as an existing one may hang.
 */
export async function pingRedis(url: string, timeoutMs: number): Promise<boolean> {
  const address = parseRedisUrl(url);
  const pings = address.nodes.map(async (node) => {
    if (!(await pingNode({ ...node, ...redisAccess(address) }, address.isCluster, timeoutMs)))
      throw new Error('not there');
    return true;
  });
  return Promise.any(pings).catch(() => false);
}

async function pingNode(node: RedisOptions, isCluster: boolean, timeoutMs: number): Promise<boolean> {
  const client = new Redis({
    ...node,
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return isCluster ? CLUSTER_IS_COMPLETE.test(await client.cluster('INFO')) : (await client.ping()) === 'PONG';
  } catch {
    return false;
  } finally {
    client.disconnect();
  }
}
