import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const isLinux = process.platform === 'linux';

/**
 * Distinguishes a process from a later one with the same number: its start time and, because that counts from boot on
 * Linux, the boot. `undefined` if there is no such process; a zombie counts as gone.
 */
export async function birthOf(pid: number): Promise<string | undefined> {
  if (!isLinux) {
    const started = await ps(pid, 'lstart=');
    return started && String(Date.parse(started));
  }
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => 'unknown'),
    ]);
    // The second field is the program's name in parentheses and may hold anything: count from its end (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, startTicks] = [fields[0], fields[19]];
    return state === 'Z' || state === 'X' ? undefined : `${boot.slice(0, 8)}-${startTicks}`;
  } catch {
    return undefined;
  }
}

/** The arguments of a process, the first being its program or title; empty if it is gone. */
export async function commandLineOf(pid: number): Promise<string[]> {
  if (!isLinux) return (await ps(pid, 'command='))?.split(' ') ?? [];
  const raw = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return raw.split('\0').filter((argument) => argument !== '');
}

/** All processes of a user, by number; `undefined` where the system has no /proc to list them. */
export async function listProcessesOf(uid: number): Promise<number[] | undefined> {
  if (!isLinux) return undefined;
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  const owners = await Promise.all(
    pids.map((pid) =>
      stat(`/proc/${pid}`).then(
        (entry) => entry.uid,
        () => undefined,
      ),
    ),
  );
  return pids.filter((_, index) => owners[index] === uid);
}

/** Signals a process that may have ended meanwhile. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function ps(pid: number, column: string): Promise<string | undefined> {
  try {
    const { stdout } = await run('ps', ['-o', column, '-p', String(pid)], {
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    });
    return stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}
