import { chmod, mkdir, mkdtemp, realpath, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Binaries, copyBinaries, whyUnusable } from './binaries.js';
import { readOwnFile, replaceOwnFile } from './own-files.js';
import { assertOnlyRootWrites, onlyRootWrites } from './root-only.js';
import { canEnter, type SystemUser } from './system-user.js';

/** Where the server's files are: `directory` is the data directory or, if the server's user may not enter it, a stand-in. */
export interface ServerHome {
  directory: string;
  binaries: Binaries;
}

/** The small file in the data directory that names its stand-in. */
const POINTER = 'location';

/** The stand-in that an earlier start chose for this data directory. */
export async function findStandIn(dataDir: string): Promise<string | undefined> {
  const pointer = await readOwnFile(join(dataDir, POINTER)).catch(() => undefined);
  if (pointer === undefined) return undefined;
  const directory = pointer.trim();
  if (await stat(directory).catch(() => undefined)) return directory;
  throw new Error(
    `The data of ${dataDir} was kept in ${directory}, which is gone. Restore it, or remove ${join(dataDir, POINTER)} and ${join(dataDir, 'password')} to begin with an empty database.`,
  );
}

/**
 * Decides where the server's files are and which binaries run. If we are root and the project is below a directory that
 * the server's user may not enter (such as root's home), both the data and a copy of the binaries go to another directory
 * that belongs to root, and the data directory keeps a pointer to it.
 */
export async function settleHome(dataDir: string, bundled: Binaries, user: SystemUser): Promise<ServerHome> {
  const problem = await whyUnusable(bundled, user);
  const directory = (await findStandIn(dataDir)) ?? (await chooseDirectory(dataDir, problem !== undefined, user));
  if (directory !== dataDir) await assertOnlyRootWrites(directory);
  if (problem === undefined) return { directory, binaries: bundled };

  const binaries = await copyBinaries(bundled, directory);
  if (user.switchTo) {
    for (const folder of ['bin', 'lib', 'lib/postgresql']) await assertOnlyRootWrites(join(binaries.root, folder));
  }
  const remaining = await whyUnusable(binaries, user);
  if (remaining) {
    throw new Error(
      `The embedded PostgreSQL does not run on this machine: set DATABASE_URL. (${problem}; ${remaining})`,
    );
  }
  return { directory, binaries };
}

async function chooseDirectory(dataDir: string, willHoldBinaries: boolean, user: SystemUser): Promise<string> {
  if (!user.switchTo) return dataDir;
  const fits = (await canEnter(dataDir, user)) && (!willHoldBinaries || (await onlyRootWrites(dataDir)));
  if (fits) return dataDir;
  if (await stat(join(dataDir, 'cluster')).catch(() => undefined)) {
    throw new Error(
      `${dataDir} holds the embedded PostgreSQL's data, but user ${user.name} can no longer reach it or the programs in node_modules: let others enter all directories above (chmod o+x), or set DATABASE_URL.`,
    );
  }
  const directory = await makeStandIn(dataDir, user);
  await replaceOwnFile(join(dataDir, POINTER), `${directory}\n`, 0o644);
  return directory;
}

/** A new directory whose name shows whose stand-in it is and is unpredictable, so that no other user can have prepared it. */
async function makeStandIn(dataDir: string, user: SystemUser): Promise<string> {
  const name = `${dataDir
    .replaceAll(/[^A-Za-z0-9]+/g, '-')
    .slice(1)
    .slice(-60)}-`;
  const problems: string[] = [];
  // The second place is for machines with a read-only /var; data there may not survive a reboot.
  for (const place of ['/var/lib/counterpart', join(await realpath(tmpdir()), 'counterpart')]) {
    try {
      // The mode is set whatever the umask is. An existing directory is not changed.
      await mkdir(place).then(() => chmod(place, 0o755), ignoreExisting);
      await assertOnlyRootWrites(place);
      const directory = await mkdtemp(join(place, name));
      await chmod(directory, 0o755);
      if (await canEnter(directory, user)) return directory;
      problems.push(`${directory} is closed to ${user.name}`);
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  throw new Error(
    `User ${user.name} may not enter ${dataDir}, and there is no other place for the embedded PostgreSQL: set DATABASE_URL. (${problems.join('; ')})`,
  );
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
