import { chmod, mkdir, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { findBinaries } from './binaries.js';
import { DATABASE, ensureCluster, findClusterOwner, keepPassword } from './cluster.js';
import { lockDataDirectory } from './data-directory-lock.js';
import { PostgresServer } from './postgres-server.js';
import { findStandIn, settleHome } from './server-home.js';
import { findSystemUser } from './system-user.js';

export interface EmbeddedPostgresOptions {
  /** Absolute or relative; everything is kept under it, and it is created if missing. */
  dataDir: string;
  /** Further settings of postgresql.conf, such as `fsync: 'off'` for tests. */
  settings?: Record<string, string>;
  /** Receives messages for the operator: restarts, and where the data is if not in `dataDir`. */
  log?: (line: string) => void;
  /** Is told when the server has been started again on another port than that of `url`. */
  onMove?: (startPort: number, port: number) => void;
}

export interface EmbeddedPostgres {
  /** `postgresql://user:password@127.0.0.1:port/counterpart` */
  url: string;
  port: number;
  /** Fast shutdown; resolves when none of its processes is left. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts a PostgreSQL of our own, for a machine that has nothing but Node: as an ordinary user even if we are root, on
 * 127.0.0.1 and a free port. It ends with this process, however that ends, and is started again if it ends by itself:
 * on the same port, unless another program has taken that.
 *
 * @throws DataDirectoryInUseError if a live process uses the directory
 * @throws Error that asks to set DATABASE_URL, if it cannot run on this machine
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { settings = {}, log = () => undefined, onMove = () => undefined } = options;
  const dataDir = await makeDirectory(resolve(options.dataDir));
  const bundled = await findBinaries();
  const user = await findSystemUser(await findClusterOwner((await findStandIn(dataDir)) ?? dataDir));
  const locks = [await lockDataDirectory(dataDir)];
  const unlock = async () => {
    for (const release of locks.splice(0).toReversed()) await release();
  };
  try {
    const home = await settleHome(dataDir, bundled, user);
    if (home.directory !== dataDir) {
      log(`user ${user.name} may not enter ${dataDir}: the data is in ${home.directory}`);
      // A copy of the project's directory points to the same place.
      locks.push(await lockDataDirectory(home.directory));
    }
    const password = await keepPassword(dataDir, home.directory);
    const cluster = await ensureCluster(home, user, password, settings.fsync !== 'off');
    const program = join(home.binaries.root, 'bin', 'postgres');
    const logFile = join(dataDir, 'postgres.log');
    const server = new PostgresServer({ program, cluster, user, password, logFile, settings, log, onMove });
    await server.start();

    let stopped: Promise<void> | undefined;
    return {
      url: `postgresql://${DATABASE}:${password}@127.0.0.1:${server.port}/${DATABASE}`,
      port: server.port,
      stop: () => (stopped ??= server.stop().finally(unlock)),
    };
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** Sets the mode afterwards: `mkdir` would set it for the directories above too. A strict umask must not keep the server's
 * user out. */
async function makeDirectory(path: string): Promise<string> {
  const firstMade = await mkdir(path, { recursive: true });
  if (firstMade !== undefined) await chmod(path, 0o755);
  return realpath(path);
}
