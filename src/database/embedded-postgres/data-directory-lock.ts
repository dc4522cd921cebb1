import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { birthOf } from './processes.js';

/** Refusal: another live process uses the data directory. */
export class DataDirectoryInUseError extends Error {
  readonly code = 'data_directory_in_use';

  constructor(
    readonly directory: string,
    readonly pid: number,
  ) {
    super(`The data directory ${directory} is in use by process ${pid}: stop it, or set another DATA_DIR.`);
    this.name = 'DataDirectoryInUseError';
  }
}

// Long enough for contenders to withdraw (5 ms measured), short enough for a prompt refusal.
const ATTEMPTS = 10;
const PAUSE_MS = 20;

const PREFIX = 'lock.';

/**
 * Locks a directory for this process. @returns a function that releases it
 *
 * Every contender first creates a file whose *name* identifies it (`lock.<pid>.<birth>`), then looks for other files: of
 * any two contenders, the one that looked later saw the other, so both never hold the lock. If several see each other, all
 * but the first by name withdraw. The file of a process that is gone can be removed by any process at any time, because
 * its name is never used again; so nothing has to be cleaned up after a `kill -9`. Processes of another container are not
 * seen.
 *
 * @throws DataDirectoryInUseError if a live process (also this one) has it
 */
export async function lockDataDirectory(directory: string): Promise<() => Promise<void>> {
  const birth = await birthOf(process.pid);
  if (birth === undefined)
    throw new Error('Neither /proc nor ps shows the processes of this machine: set DATABASE_URL.');
  const own = `${PREFIX}${process.pid}.${birth}`;
  const release = () => rm(join(directory, own), { force: true });
  await announce(directory, own);

  let rival = '';
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const others = await findOthers(directory, own);
    if (others.length === 0) return release;
    rival = others.toSorted()[0] ?? '';
    const isFirst = own < rival;
    if (!isFirst) await release();
    await delay(PAUSE_MS);
    if (!isFirst) await announce(directory, own);
  }
  await release();
  throw new DataDirectoryInUseError(directory, pidOf(rival));
}

async function announce(directory: string, own: string): Promise<void> {
  try {
    await (await open(join(directory, own), 'wx', 0o600)).close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new DataDirectoryInUseError(directory, process.pid);
  }
}

/** The files of other live processes. Files of processes that are gone are removed. */
async function findOthers(directory: string, own: string): Promise<string[]> {
  const others: string[] = [];
  for (const name of await readdir(directory)) {
    if (!name.startsWith(PREFIX) || name === own) continue;
    if (name === `${PREFIX}${pidOf(name)}.${await birthOf(pidOf(name))}`) others.push(name);
    else await rm(join(directory, name), { force: true });
  }
  return others;
}

function pidOf(name: string): number {
  return Number(name.split('.')[1]);
}
