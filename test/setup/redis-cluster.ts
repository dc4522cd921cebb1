import { Redis } from 'ioredis';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { until } from './test-server.js';

/** A master that is lost needs a majority of the others for its replica to take over. */
const MASTERS = 3;

const SLOTS = Array.from({ length: 16_384 }, (_, slot) => slot);

/** After this time without an answer a node counts as lost, and its replica takes over about a second later. */
const NODE_TIMEOUT_MS = 1_000;

/** The cluster's bus listens this far above each node's port, unless it is told otherwise. */
const BUS_DISTANCE = 10_000;

/** The password of the default user, and of the nodes among each other. */
const ADMIN_PASSWORD = 'of-the-nodes';

/** The user that the product is given: it may use all keys, and not administer the nodes. */
const USER = ['counterpart', 'on', '>secret', '~*', '&*', '+@all', '-@admin', '+cluster'];

/** For `localhost` only, as the certificates of a cluster are usually for names. */
const CERTIFICATE = join('test', 'setup', 'redis-certificate.pem');
const KEY = join('test', 'setup', 'redis-key.pem');

/** A program that knows all of these options ends because it has no port to listen on. */
const probe = spawnSync(
  'redis-server',
  ['--port', '0', '--tls-port', '0', '--cluster-preferred-endpoint-type', 'hostname'],
  { encoding: 'utf8' },
);

/** Whether a cluster can be started here. */
export const HAS_REDIS_SERVER = probe.error === undefined;

/**
 * Whether its connections can be encrypted, which is left out of some builds of Redis, and whether Node (from 22.19 on) can
 * be told to trust their certificate.
 */
export const HAS_REDIS_WITH_TLS =
  HAS_REDIS_SERVER && probe.stdout.includes('not listen anywhere') && 'setDefaultCACertificates' in tls;

if (!HAS_REDIS_SERVER) {
  console.warn('\n  THERE IS NO redis-server: the tests on a Redis Cluster are SKIPPED\n');
} else if (!HAS_REDIS_WITH_TLS) {
  console.warn('\n  redis-server HAS NO TLS, OR IT OR NODE IS TOO OLD: the test on an encrypted cluster is SKIPPED\n');
}

/** How a cluster is started. */
export interface RedisClusterOptions {
  /** Whether each master has a replica. */
  hasReplicas?: boolean;
  isEncrypted?: boolean;
}

/** A master that the others have to do without. */
export interface LostMaster {
  /** Waits until its replica has taken over, and all other nodes know that. */
  isReplaced: () => Promise<void>;
  /** Lets it take part again, as a replica. One that was killed stays away. */
  restore: () => Promise<void>;
}

/** Three masters that share all slots, and their replicas, each a process of its own on a free port. */
export class RedisCluster {
  private constructor(
    private nodes: ClusterNode[],
    private readonly folder: string,
    /** As the product is given it: all masters, and the user who may not administer them. */
    readonly url: string,
  ) {}

  /** Starts it and waits until all slots are served and replicated. @throws Error with what a node logged if it ends */
  static async start({ hasReplicas = false, isEncrypted = false }: RedisClusterOptions = {}): Promise<RedisCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'counterpart-redis-'));
    const ports = await freePorts(hasReplicas ? 2 * MASTERS : MASTERS);
    const [scheme, host] = isEncrypted ? ['rediss', 'localhost'] : ['redis', '127.0.0.1'];
    const masters = ports.slice(0, MASTERS).map((port) => `${host}:${port}`);
    const nodes = ports.map((port) => new ClusterNode(port, folder, isEncrypted));
    const cluster = new RedisCluster(nodes, folder, `${scheme}://counterpart:secret@${masters.join()}`);
    try {
      await cluster.form();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** The certificate that clients of an encrypted cluster have to trust. */
  static certificate(): string {
    return readFileSync(CERTIFICATE, 'utf8');
  }

  /**
   * Loses the master that holds a key. One that is killed breaks its connections. One that is cut off, for which it is
   * paused, leaves them open and never answers.
   */
  async loseMasterOf(key: string, how: 'killed' | 'cut off'): Promise<LostMaster> {
    const lost = await this.masterOf(key);
    const others = this.nodes.filter((node) => node !== lost);
    const isReplaced = () => this.isHeldByAnother(key, lost, others);
    if (how === 'killed') {
      await lost.kill();
      this.nodes = others;
      return { isReplaced, restore: () => Promise.resolve() };
    }
    lost.signal('SIGSTOP');
    const restore = async () => {
      lost.signal('SIGCONT');
      await this.isHeldByAnother(key, lost, [lost]);
      await this.isWhole();
    };
    return { isReplaced, restore };
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await rm(this.folder, { recursive: true });
  }

  private async form(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.answers()));
    const [masters, replicas] = [this.nodes.slice(0, MASTERS), this.nodes.slice(MASTERS)];
    const share = Math.ceil(SLOTS.length / MASTERS);
    for (const [index, { client }] of masters.entries()) {
      // Masters of the same epoch would first have to agree on new ones.
      await client.cluster('SET-CONFIG-EPOCH', index + 1);
      await client.cluster('ADDSLOTS', ...SLOTS.slice(index * share, (index + 1) * share));
    }
    for (const { port } of this.nodes.slice(1)) await masters[0]?.client.cluster('MEET', '127.0.0.1', port);
    await until('all nodes know each other', () => this.all(({ client }) => this.knowsAll(client)));
    for (const [index, { client }] of replicas.entries()) {
      await client.cluster('REPLICATE', (await masters[index]?.client.cluster('MYID')) ?? '');
    }
    await this.isWhole();
  }

  /** Waits until all slots are served, and all replicas are up to date and known to all nodes. */
  private async isWhole(): Promise<void> {
    const replicas = this.nodes.length - MASTERS;
    const knowsThem = async (client: Redis) => (await replicasKnownTo(client)) === replicas;
    for (const isSo of [servesAll, knowsThem, isUpToDate]) {
      await until('the cluster is whole', () => this.all(({ client }) => isSo(client)));
    }
  }

  private async masterOf(key: string): Promise<ClusterNode> {
    const port = await this.nodes[0]?.masterOf(key);
    const master = this.nodes.find((node) => node.port === port);
    if (master === undefined) throw new Error(`no node of ours holds ${key}`);
    return master;
  }

  private async isHeldByAnother(key: string, lost: ClusterNode, nodes: ClusterNode[]): Promise<void> {
    await until('a replica has taken over', async () => {
      const masters = await Promise.all(nodes.map((node) => node.masterOf(key)));
      return !masters.includes(lost.port);
    });
  }

  private async knowsAll(client: Redis): Promise<boolean> {
    const known = await nodesKnownTo(client);
    return known.length === this.nodes.length && !known.some((node) => node.includes('handshake'));
  }

  private async all(isSo: (node: ClusterNode) => Promise<boolean>): Promise<boolean> {
    return (await Promise.all(this.nodes.map((node) => isSo(node)))).every(Boolean);
  }
}

/** https://redis.io/docs/latest/commands/cluster-slots/ */
type SlotRange = [firstSlot: number, lastSlot: number, master: [host: string, port: number]];

async function servesAll(client: Redis): Promise<boolean> {
  return /cluster_state:ok/.test(await client.cluster('INFO'));
}

/** Whether a replica has all that its master has; a master has no such line. */
async function isUpToDate(client: Redis): Promise<boolean> {
  return !/master_link_status:down/.test(await client.info('replication'));
}

async function replicasKnownTo(client: Redis): Promise<number> {
  return (await nodesKnownTo(client)).filter((node) => node.includes('slave')).length;
}

/** A line for each node, https://redis.io/docs/latest/commands/cluster-nodes/. */
async function nodesKnownTo(client: Redis): Promise<string[]> {
  return String(await client.cluster('NODES'))
    .trimEnd()
    .split('\n');
}

/** A node in a process of its own, with a connection that may administer it. */
class ClusterNode {
  readonly client: Redis;
  private readonly server: ChildProcess;
  private readonly exited: Promise<unknown>;
  private readonly dir: string;

  constructor(
    readonly port: number,
    folder: string,
    isEncrypted: boolean,
  ) {
    this.dir = join(folder, String(port));
    mkdirSync(this.dir);
    this.server = spawn('redis-server', nodeOptions(port, this.dir, isEncrypted), {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    this.exited = once(this.server, 'exit');
    this.client = new Redis({
      host: isEncrypted ? 'localhost' : '127.0.0.1',
      port,
      password: ADMIN_PASSWORD,
      ...(isEncrypted ? { tls: { ca: RedisCluster.certificate() } } : {}),
      maxRetriesPerRequest: null,
      retryStrategy: () => 25,
    });
    this.client.on('error', () => undefined);
  }

  /** Waits until it answers. @throws Error if it ends before */
  async answers(): Promise<void> {
    const ended = this.exited.then(() => {
      throw new Error(`redis-server ended: ${readFileSync(join(this.dir, 'redis.log'), 'utf8')}`);
    });
    await Promise.race([this.client.ping(), ended]);
  }

  /** The port of the master that holds a key, as this node knows it. */
  async masterOf(key: string): Promise<number | undefined> {
    const slot = await this.client.cluster('KEYSLOT', key);
    const ranges = (await this.client.cluster('SLOTS')) as unknown as SlotRange[];
    return ranges.find(([first, last]) => first <= slot && slot <= last)?.[2][1];
  }

  signal(name: NodeJS.Signals): void {
    this.server.kill(name);
  }

  async kill(): Promise<void> {
    this.client.disconnect();
    this.signal('SIGKILL');
    await this.exited;
  }
}

function nodeOptions(port: number, dir: string, isEncrypted: boolean): string[] {
  const options = {
    ...(isEncrypted ? encryptedOptions(port) : { port }),
    bind: '127.0.0.1',
    dir,
    logfile: 'redis.log',
    save: '',
    'cluster-enabled': 'yes',
    'cluster-node-timeout': NODE_TIMEOUT_MS,
    'repl-diskless-sync': 'yes',
    // By default a replica waits for 5 s, in case that others want to be copied to with it.
    'repl-diskless-sync-delay': 0,
    requirepass: ADMIN_PASSWORD,
    masterauth: ADMIN_PASSWORD,
  };
  return [...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]), '--user', ...USER];
}

/** All connections encrypted, those among the nodes too. */
function encryptedOptions(port: number): Record<string, string | number> {
  const certificate = join(process.cwd(), CERTIFICATE);
  return {
    port: 0,
    'tls-port': port,
    'tls-cert-file': certificate,
    'tls-key-file': join(process.cwd(), KEY),
    'tls-ca-cert-file': certificate,
    'tls-auth-clients': 'no',
    'tls-cluster': 'yes',
    'tls-replication': 'yes',
    'cluster-announce-hostname': 'localhost',
    'cluster-preferred-endpoint-type': 'hostname',
  };
}

/**
 * Ports that are free, as are those of the bus above them: all below those that Linux gives to outgoing connections
 * (from 32768).
 */
async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries += 1) {
    if (tries === 1_000) throw new Error('there are not enough free ports');
    const port = randomInt(12_000, 22_000);
    if ((await isFree(port)) && (await isFree(port + BUS_DISTANCE))) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer()
    .once('error', () => resolve(false))
    .listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  return promise;
}
