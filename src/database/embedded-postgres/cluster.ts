import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serverEnvironment } from './binaries.js';
import { readOwnFile, replaceOwnFile } from './own-files.js';
import type { ServerHome } from './server-home.js';
import type { SystemUser } from './system-user.js';

/** The database and its owner have the same name. */
export const DATABASE = 'counterpart';

// 0.5 s measured; a slow disk may take much longer to make a thousand files durable.
const INITDB_LIMIT_MS = 120_000;

/** The uid of the user that owns the cluster in `home`; `undefined` if there is none yet. */
export async function findClusterOwner(home: string): Promise<number | undefined> {
  return (await stat(join(home, 'cluster')).catch(() => undefined))?.uid;
}

/** The password of the embedded server, created at the first start; only the application's own user can read the file. */
export async function keepPassword(dataDir: string, home: string): Promise<string> {
  const file = join(dataDir, 'password');
  try {
    return (await readOwnFile(file, 0o600)).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  if ((await findClusterOwner(home)) !== undefined) {
    throw new Error(`The password of the embedded PostgreSQL is gone: restore ${file}, or remove ${home}/cluster too.`);
  }
  const password = randomBytes(24).toString('base64url');
  await replaceOwnFile(file, `${password}\n`, 0o600);
  return password;
}

/**
 * Creates the database cluster unless it exists. It gets its name only when it is complete, so that a start that is
 * killed half way leaves nothing but a folder that the next start removes.
 *
 * @returns the cluster's directory (PGDATA)
 */
export async function ensureCluster(
  home: ServerHome,
  user: SystemUser,
  password: string,
  durable: boolean,
): Promise<string> {
  const cluster = join(home.directory, 'cluster');
  for (const name of await readdir(home.directory)) {
    // An initdb that outlived its parent may still be writing there; then the next start removes the rest.
    if (name.startsWith('initdb-')) await rm(join(home.directory, name), { recursive: true }).catch(() => undefined);
  }
  if ((await findClusterOwner(home.directory)) !== undefined) return cluster;

  const workspace = await mkdtemp(join(home.directory, 'initdb-'));
  const passwordFile = join(workspace, 'password');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user.switchTo) {
    for (const path of [passwordFile, workspace]) await chown(path, user.switchTo.uid, user.switchTo.gid);
  }
  await runInitdb(home, user, workspace, durable);
  await rename(join(workspace, 'cluster'), cluster);
  await rm(workspace, { recursive: true });
  return cluster;
}

function runInitdb(home: ServerHome, user: SystemUser, workspace: string, durable: boolean): Promise<void> {
  const options = [
    `--pgdata=${join(workspace, 'cluster')}`,
    `--username=${DATABASE}`,
    `--pwfile=${join(workspace, 'password')}`,
    '--auth=scram-sha-256',
    // The same sorting and letter case on every machine, whatever locales are installed there.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--encoding=UTF8',
    ...(durable ? [] : ['--no-sync']),
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(join(home.binaries.root, 'bin', 'initdb'), options, {
      ...user.switchTo,
      cwd: '/',
      env: serverEnvironment,
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
      signal: AbortSignal.timeout(INITDB_LIMIT_MS),
    });
    let complaint = '';
    child.stderr.on('data', (text) => (complaint += text));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`initdb failed (${code}): ${complaint.trim()}`)),
    );
  });
}
