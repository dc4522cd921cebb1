import { createWriteStream, type WriteStream } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type Exit, ServerProcess } from '../test/setup/server-process.js';
import type { Findings } from './findings.js';
import type { Availability } from './availability.js';

/** The contract's limit: after SIGTERM a process exits with 0 within 20 s. */
const STOP_LIMIT_MS = 20_000;

/** The pause before a process that could not start, because the database was away, is started again. */
const RESTART_PAUSE_MS = 300;

export type Role = 'api' | 'worker';

/** One process of the server, which keeps its role and port however often it is restarted. */
export class Member {
  /** Whether a fault is in progress on it; other faults leave it alone then. */
  isBusy = false;
  /** Starts that failed before the process listened. */
  failedStarts = 0;
  private server: ServerProcess | null = null;
  private isWanted = true;
  private readonly log: WriteStream;

  constructor(
    readonly name: string,
    readonly role: Role,
    private readonly settings: Record<string, string>,
    logFolder: string,
    private readonly availability: Availability,
    private readonly findings: Findings,
  ) {
    this.log = createWriteStream(`${logFolder}/${name}.log`, { flags: 'a' });
  }

  get isUp(): boolean {
    return this.server !== null;
  }

  /** Starts it, again and again until it listens or the run is over. */
  async start(): Promise<void> {
    while (this.isWanted) {
      let spawned: ServerProcess | null = null;
      try {
        const server = await ServerProcess.start(this.settings, {
          log: this.log,
          onSpawn: (child) => (spawned = child),
        });
        if (!this.isWanted) return server.signal('SIGKILL');
        this.server = server;
        if (this.role === 'worker') this.availability.workers.add(this.name);
        void server.exited.then((exit) => this.onExit(server, exit));
        return;
      } catch {
        (spawned as ServerProcess | null)?.signal('SIGKILL');
        this.failedStarts += 1;
        await delay(RESTART_PAUSE_MS);
      }
    }
  }

  async kill(): Promise<void> {
    const server = this.release();
    server?.signal('SIGKILL');
    await server?.exited;
  }

  /** Stops it with SIGTERM, and reports a stop that is late or not clean. @returns milliseconds */
  async terminate(): Promise<number> {
    const server = this.release();
    if (!server) return 0;
    const start = performance.now();
    server.signal('SIGTERM');
    const limit = new AbortController();
    const late = delay(STOP_LIMIT_MS, null, { signal: limit.signal }).catch(() => null);
    const exit = await Promise.race([server.exited, late]);
    limit.abort();
    if (exit === null) {
      this.findings.add('late stop', `${this.name} (${server.pid}) still runs ${STOP_LIMIT_MS} ms after SIGTERM`);
      server.signal('SIGKILL');
    } else if (exit.code !== 0) {
      this.findings.add('bad stop', `${this.name} (${server.pid}) ended with ${exit.code ?? exit.signal} on SIGTERM`);
    }
    return performance.now() - start;
  }

  /** Suspends it in the middle of its work (SIGSTOP), and resumes it after a while. */
  async pause(milliseconds: number): Promise<void> {
    const { server } = this;
    if (!server) return;
    this.availability.workers.delete(this.name);
    server.signal('SIGSTOP');
    await delay(milliseconds);
    server.signal('SIGCONT');
    if (this.role === 'worker' && this.server === server) this.availability.workers.add(this.name);
  }

  /** At the end of the run. */
  async stopForGood(): Promise<void> {
    this.isWanted = false;
    await this.terminate();
    this.log.end();
  }

  /** From here on its exit is expected, and it does not count as an available worker. */
  private release(): ServerProcess | null {
    const { server } = this;
    this.server = null;
    this.availability.workers.delete(this.name);
    return server;
  }

  private onExit(server: ServerProcess, { code, signal }: Exit): void {
    if (this.server !== server) return;
    this.release();
    this.findings.add('unexpected exit', `${this.name} (${server.pid}) ended by itself with ${code ?? signal}`);
    void this.start();
  }
}
