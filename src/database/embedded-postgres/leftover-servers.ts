import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { commandLineOf, listProcessesOf, signal } from './processes.js';

// How long each kind of shutdown may take. A fast one writes a checkpoint, which can take long on a slow disk; in an
// immediate one the postmaster itself kills its children after 5 s; the last one is up to the system alone.
export const FAST_SHUTDOWN_MS = 8_000;
export const IMMEDIATE_SHUTDOWN_MS = 6_000;
const KILL_MS = 2_000;

const POLL_MS = 20;

/** The name of the server's processes in the process list (`cluster_name`), by which we find them. */
export function clusterName(cluster: string): string {
  return `counterpart-${createHash('sha256').update(cluster).digest('hex').slice(0, 10)}`;
}

/**
 * Ends every server process that still uses the cluster: a server whose application was killed, or the orphans of a
 * postmaster that was killed. Only processes of the server's own user whose command line names this cluster are
 * signalled. Then removes a `postmaster.pid` whose number now belongs to another program (usual in containers), because
 * PostgreSQL would refuse to start; one that names no live process PostgreSQL removes itself, after a check of its own.
 *
 * @throws Error if they do not end within 16 s
 */
export async function endLeftoverServers(cluster: string, uid: number): Promise<void> {
  const steps: [NodeJS.Signals, number][] = [
    ['SIGINT', FAST_SHUTDOWN_MS],
    ['SIGQUIT', IMMEDIATE_SHUTDOWN_MS],
    ['SIGKILL', KILL_MS],
  ];
  for (const [name, limitMs] of steps) {
    const { postmaster, children } = await findServer(cluster, uid);
    if (postmaster !== undefined && name !== 'SIGKILL') signal(postmaster, name);
    else if (postmaster !== undefined) [postmaster, ...children].forEach((pid) => signal(pid, name));
    // Without a postmaster their work is of no use, and SIGINT would only cancel a query.
    else children.forEach((pid) => signal(pid, name === 'SIGINT' ? 'SIGQUIT' : name));
    if (await waitUntilGone(cluster, uid, limitMs)) return removeForeignPidFile(cluster);
  }
  const { postmaster, children } = await findServer(cluster, uid);
  throw new Error(`An old PostgreSQL (process ${postmaster ?? children[0]}) still uses ${cluster}: end it first.`);
}

/** Whether a process is the server (the postmaster) that uses the cluster. */
export async function isServerOf(cluster: string, pid: number): Promise<boolean> {
  return roleOf(await commandLineOf(pid), cluster) === 'postmaster';
}

async function waitUntilGone(cluster: string, uid: number, limitMs: number): Promise<boolean> {
  for (const deadline = Date.now() + limitMs; Date.now() < deadline; await delay(POLL_MS)) {
    const { postmaster, children } = await findServer(cluster, uid);
    if (postmaster === undefined && children.length === 0) return true;
  }
  return false;
}

async function findServer(
  cluster: string,
  uid: number,
): Promise<{ postmaster: number | undefined; children: number[] }> {
  const named = await readPostmasterPid(cluster);
  const candidates = (await listProcessesOf(uid)) ?? (named === undefined ? [] : [named]);
  const found = await Promise.all(
    candidates.map(async (pid) => ({ pid, role: roleOf(await commandLineOf(pid), cluster) })),
  );
  return {
    postmaster: found.find(({ role }) => role === 'postmaster')?.pid,
    children: found.filter(({ role }) => role === 'child').map(({ pid }) => pid),
  };
}

function roleOf(command: string[], cluster: string): 'postmaster' | 'child' | undefined {
  const [program = '', ...rest] = command;
  if (program.startsWith(`postgres: ${clusterName(cluster)}: `)) return 'child';
  return basename(program) === 'postgres' && rest.includes(cluster) ? 'postmaster' : undefined;
}

async function readPostmasterPid(cluster: string): Promise<number | undefined> {
  const content = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '');
  return Number.parseInt(content, 10) || undefined;
}

async function removeForeignPidFile(cluster: string): Promise<void> {
  const pid = await readPostmasterPid(cluster);
  if (pid === undefined) return;
  const command = await commandLineOf(pid);
  const isForeign = command.length > 0 && roleOf(command, cluster) === undefined;
  if (isForeign) await rm(join(cluster, 'postmaster.pid'), { force: true });
}
