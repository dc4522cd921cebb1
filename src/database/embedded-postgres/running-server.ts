import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { DATABASE } from './cluster.js';
import { isServerOf } from './leftover-servers.js';
import { findStandIn } from './server-home.js';

/**
 * The URL of the embedded PostgreSQL that another process runs on this data directory; undefined while none answers
 * there. Only the user of that process, and root, can read what is needed for it.
 */
export async function findRunningPostgres(dataDir: string): Promise<string | undefined> {
  const directory = await realpath(dataDir).catch(() => undefined);
  if (directory === undefined) return undefined;
  const cluster = join((await findStandIn(directory)) ?? directory, 'cluster');
  const lines = (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(ignoreMissing)).split('\n');
  // The lines of the file: https://www.postgresql.org/docs/18/storage-file-layout.html.
  const [pid, port, status] = [Number(lines[0]), Number(lines[3]), lines[7]?.trim()];
  // The file outlives a server that was killed, and another program may use its port by now: it must not get the password.
  if (status !== 'ready' || !(await isServerOf(cluster, pid))) return undefined;
  const password = (await readFile(join(directory, 'password'), 'utf8')).trim();
  return `postgresql://${DATABASE}:${password}@127.0.0.1:${port}/${DATABASE}`;
}

function ignoreMissing(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return '';
  throw error;
}
