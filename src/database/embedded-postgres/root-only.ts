import { lstat, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/**
 * Checks that only root can have put programs into a directory: the directory, all directories above it and every file in
 * it belong to root and are writable by root alone.
 *
 * @param directory absolute and without symbolic links on the way
 * @throws Error naming what others can write
 */
export async function assertOnlyRootWrites(directory: string): Promise<void> {
  const foreign = (await onlyRootWrites(directory)) ? await findForeignFile(directory) : directory;
  if (foreign === undefined) return;
  throw new Error(`${foreign}, or a directory above it, can be written by others than root: no program is run there.`);
}

/** A sticky directory such as /tmp may be above, because other users cannot replace root's files in it. */
export async function onlyRootWrites(directory: string): Promise<boolean> {
  for (let part = directory; ; part = dirname(part)) {
    const entry = await lstat(part);
    const isSafeAbove = part !== directory && (entry.mode & STICKY) !== 0;
    const writable = (entry.mode & WRITABLE_BY_OTHERS) !== 0 && !isSafeAbove;
    if (!entry.isDirectory() || entry.uid !== 0 || writable) return false;
    if (part === dirname(part)) return true;
  }
}

/** Folders in it are not checked: one of them may be the server's data, which belongs to the server's user. */
async function findForeignFile(directory: string): Promise<string | undefined> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const entry = await lstat(path);
    // The mode of a link says nothing: who may replace it depends on the directory.
    const writable = !entry.isSymbolicLink() && (entry.mode & WRITABLE_BY_OTHERS) !== 0;
    if (!entry.isDirectory() && (entry.uid !== 0 || writable)) return path;
  }
  return undefined;
}
