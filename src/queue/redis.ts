import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { parseRedisUrl, type RedisAddress } from '../settings/redis-address.js';

/** What a cluster that can serve all keys says of itself, https://redis.io/docs/latest/commands/cluster-info/. */
const CLUSTER_IS_COMPLETE = /^cluster_state:ok\r?$/m;

/**
 * How often a client of a cluster asks which node serves what. It would otherwise ask only once a connection fails, and one
 * to a node that was cut off fails after many minutes, although a replica has taken over.
 */
const NODES_ASKED_EVERY_MS = 5_000;

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

/** Options of the connections to single nodes, and of the cluster as a whole. */
type ClusterClientOptions = RedisOptions & Pick<ClusterOptions, 'maxRedirections'>;

/** A client of a cluster. It finds the nodes that the URL does not name. */
export function clusterClient(address: RedisAddress, options: ClusterClientOptions): Cluster {
  const { lazyConnect, enableOfflineQueue, maxRedirections, ...ofNodes } = options;
  const cluster = new Cluster(address.nodes, {
    redisOptions: { ...redisAccess(address), ...ofNodes },
    // ioredis looks up names itself and connects to the addresses, for which no certificate is made.
    ...(address.isEncrypted ? { dnsLookup: (name, callback) => callback(null, name) } : {}),
    ...(lazyConnect === undefined ? {} : { lazyConnect }),
    ...(enableOfflineQueue === undefined ? {} : { enableOfflineQueue }),
    ...(maxRedirections === undefined ? {} : { maxRedirections }),
  });
  // The timer of ioredis's own option goes on for ever if its client is closed just as it asks.
  const timer = setInterval(() => cluster.refreshSlotsCache(), NODES_ASKED_EVERY_MS).unref();
  const stopAsking = () => clearInterval(timer);
  cluster.once('end', stopAsking);
  // A client that is closed between two attempts to connect never emits 'end'.
  const disconnect = cluster.disconnect.bind(cluster);
  cluster.disconnect = (reconnect) => {
    if (!reconnect) stopAsking();
    disconnect(reconnect);
  };
  return cluster;
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
