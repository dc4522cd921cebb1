import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

/**
 * A file of ours in the data directory. Others may be able to write to that directory while we are root, and could put a
 * link there, or a pipe that blocks, in place of one of our files: those are refused, so that root reads and writes
 * nothing else.
 */
class NotOwnFileError extends Error {
  constructor(path: string) {
    super(`${path} is not an ordinary file of its own, but a link or something else: move it away.`);
  }
}

/** Reads a file. @throws Error with code ENOENT if there is none, {@link NotOwnFileError} */
export async function readOwnFile(path: string, mode?: number): Promise<string> {
  const file = await openOwnFile(path, O_RDONLY);
  try {
    if (mode !== undefined) await file.chmod(mode);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** Opens a file for appending and reading, and creates it if there is none. @throws NotOwnFileError */
export async function openOwnLog(path: string): Promise<FileHandle> {
  const file = await openOwnFile(path, O_RDWR | O_APPEND | O_CREAT);
  // With a second name it may be a hard link to somebody else's file.
  if ((await file.stat()).nlink === 1) return file;
  await file.close();
  throw new NotOwnFileError(path);
}

/** Writes a file as a whole: whoever reads it finds the old content or the new one. */
export async function replaceOwnFile(path: string, content: string, mode: number): Promise<void> {
  const unfinished = `${path}.new`;
  await rm(unfinished, { force: true });
  // Created by us, or not at all: `wx` follows no link.
  const file = await open(unfinished, 'wx', mode);
  try {
    await file.writeFile(content);
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
}

async function openOwnFile(path: string, flags: number): Promise<FileHandle> {
  const file = await open(path, flags | O_NOFOLLOW | O_NONBLOCK, 0o600).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ELOOP' || error.code === 'ENXIO' ? new NotOwnFileError(path) : error;
  });
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new NotOwnFileError(path);
}
