import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { IS_EXHAUSTIVE } from './exhaustive.js';

/** The built server as its users run it, for tests of its memory and of its start and stop. */
export const BUILT_SERVER = resolve('dist/main.js');

/**
 * The server for all other tests: the bundle that `global-setup.mjs` makes, which starts in less CPU time than its many
 * files, or the built one where the tests are exhaustive.
 */
export const SERVER = IS_EXHAUSTIVE ? BUILT_SERVER : resolve('dist/bundled/main.js');

/** How a process ended: by itself with a code, or by a signal. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** How a server process is started. */
export interface StartOptions {
  /** The compiled entry point; by default the one beside the compiled code of whoever starts it. */
  main?: string;
  /** Flags of Node's besides those of `npm start`. */
  flags?: string[];
  /** Takes what it says; ours if there is none. */
  log?: Writable;
  /** Is given the process before it listens. */
  onSpawn?: (server: ServerProcess) => void;
}

/** The server in a process of its own, as `npm start` runs it: one that can be killed, paused, and told to die. */
export class ServerProcess {
  readonly exited: Promise<Exit>;
  url = '';

  private constructor(private readonly child: ChildProcess) {
    this.exited = exitOf(child);
  }

  /**
   * Starts it and waits until it listens.
   * @param settings environment variables besides our own
   * @throws Error if it ends before
   */
  static async start(
    settings: Record<string, string | undefined>,
    { main = join(import.meta.dirname, '../../src/main.js'), flags = [], log, onSpawn }: StartOptions = {},
  ): Promise<ServerProcess> {
    const child = spawn(process.execPath, ['--max-semi-space-size=8', '--max-old-space-size=256', ...flags, main], {
      env: { ...process.env, NODE_COMPILE_CACHE: process.env['TEST_COMPILE_CACHE'], ...settings },
      stdio: ['ignore', 'pipe', log ? 'pipe' : 'inherit'],
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    const server = new ServerProcess(child);
    if (log) for (const output of [child.stdout, child.stderr]) output?.pipe(log, { end: false });
    onSpawn?.(server);
    server.url = await new Promise<string>((resolve, reject) => {
      let text = '';
      child.stdout?.on('data', (bytes: Buffer) => {
        if (server.url !== '') return;
        text += bytes.toString();
        const found = /listening on (\S+)\n/.exec(text);
        if (found?.[1]) resolve(found[1]);
      });
      child.once('exit', () => reject(new Error('the server did not start')));
    });
    return server;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** The most memory that the process ever held, in bytes. */
  peakMemory(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  }

  async stop(): Promise<void> {
    this.signal('SIGTERM');
    await this.exited;
  }

  /** Ends the process at once, and waits until it has. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }
}

const running = new Set<ChildProcess>();

/** Ends whatever a test has left running. */
export async function killServerProcesses(): Promise<void> {
  await Promise.all(
    [...running].map((child) => {
      child.kill('SIGKILL');
      return exitOf(child);
    }),
  );
}

async function exitOf(child: ChildProcess): Promise<Exit> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return { code: child.exitCode, signal: child.signalCode };
}
