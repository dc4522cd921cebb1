/** Longer than the addresses of any cluster, and short enough to be looked at character by character. */
const MAX_URL_LENGTH = 8_192;

const DEFAULT_PORT = 6379;

/** Where Redis is: one server, or some nodes of a cluster, which name the others. */
export interface RedisAddress {
  nodes: { host: string; port: number }[];
  isCluster: boolean;
  isEncrypted: boolean;
  username: string | undefined;
  password: string | undefined;
  /** The number of the database; a cluster has only 0. */
  db: number;
}

/**
 * Reads `REDIS_URL`: one server as `redis://user:password@host:6379/0`, a cluster as
 * `redis://user:password@a:6379,b:6379,c:6379`; with TLS both begin with `rediss://`.
 * @throws Error that says what is wrong, without quoting anything
 */
export function parseRedisUrl(url: string): RedisAddress {
  if (url.length > MAX_URL_LENGTH) throw new Error(`must have at most ${MAX_URL_LENGTH} characters`);
  const isEncrypted = url.startsWith('rediss://');
  if (!isEncrypted && !url.startsWith('redis://')) throw new Error('must start with redis:// or rediss://');
  const [address = ''] = url.slice(url.indexOf('//') + 2).split('?', 1);
  // One user for all nodes, whose password may hold a comma.
  const at = address.lastIndexOf('@');
  const [credentials, rest] = [address.slice(0, Math.max(at, 0)), address.slice(at + 1)];
  const slash = rest.includes('/') ? rest.indexOf('/') : rest.length;
  const nodes = rest.slice(0, slash).split(',').map(parseNode);
  const isCluster = nodes.length > 1;
  const db = parseDatabase(rest.slice(slash + 1));
  if (isCluster && db !== 0) throw new Error('must name no database: a cluster has only one');
  return { nodes, isCluster, isEncrypted, db, ...parseCredentials(credentials) };
}

function parseNode(text: string): RedisAddress['nodes'][number] {
  const parsed = URL.canParse(`redis://${text}`) ? new URL(`redis://${text}`) : null;
  if (!parsed?.hostname || parsed.host.length !== text.length) throw new Error('must name hosts as host or host:port');
  // An IPv6 address is in brackets.
  return { host: parsed.hostname.replace('[', '').replace(']', ''), port: Number(parsed.port || DEFAULT_PORT) };
}

function parseDatabase(text: string): number {
  if (!/^\d{0,5}$/.test(text)) throw new Error('must name the database by its number');
  return Number(text);
}

function parseCredentials(text: string): Pick<RedisAddress, 'username' | 'password'> {
  // Otherwise each host may have been given a user of its own, of which all but the last would be lost.
  if (text.includes('@')) throw new Error('must name one user for all hosts, with any @ encoded as %40');
  const colon = text.includes(':') ? text.indexOf(':') : text.length;
  try {
    const [username, password] = [text.slice(0, colon), text.slice(colon + 1)].map(decodeURIComponent);
    return { username: username || undefined, password: password || undefined };
  } catch {
    throw new Error('must have percent signs in its user and password encoded as %25');
  }
}
