import { createWriteStream, type WriteStream } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type Exit, ServerProcess } from '../test/setup/server-process.js';
import type { Findings } from './findings.js';
import type { World } from './world.js';

/** As the contract has it: SIGTERM, then an exit with 0 within so many seconds. */
const STOP_LIMIT_MS = 20_000;

/** A process that cannot start, as the database is away, is started again by whoever looks after it. */
const RESTART_PAUSE_MS = 300;

export type Role = 'api' | 'worker';

/** One process of the server: always the same role and port, however often it dies. */
export class Member {
  /** Whether a fault is at work on it; it is left alone by others then. */
  isBusy = false;
  /** Starts that did not get as far as listening. */
  failedStarts = 0;
  private server: ServerProcess | null = null;
  private isWanted = true;
  private readonly log: WriteStream;

  constructor(
    readonly name: string,
    readonly role: Role,
    private readonly settings: Record<string, string>,
    logFolder: string,
    private readonly world: World,
    private readonly findings: Findings,
  ) {
    this.log = createWriteStream(`${logFolder}/${name}.log`, { flags: 'a' });
  }

  get isUp(): boolean {
    return this.server !== null;
  }

  /** Starts it and keeps on until it listens, or nobody wants it any more. */
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
        if (this.role === 'worker') this.world.workers.add(this.name);
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
    const server = this.giveUp();
    server?.signal('SIGKILL');
    await server?.exited;
  }

  /** A polite stop, which is to be obeyed in time. @returns milliseconds */
  async terminate(): Promise<number> {
    const server = this.giveUp();
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

  /** Stops it in the middle of whatever it does, and lets it go on after a while as if nothing had been. */
  async pause(milliseconds: number): Promise<void> {
    const { server } = this;
    if (!server) return;
    this.world.workers.delete(this.name);
    server.signal('SIGSTOP');
    await delay(milliseconds);
    server.signal('SIGCONT');
    if (this.role === 'worker' && this.server === server) this.world.workers.add(this.name);
  }

  /** For the end of the run. */
  async stopForGood(): Promise<void> {
    this.isWanted = false;
    await this.terminate();
    this.log.end();
  }

  /** From here on its end is no surprise, and it is no worker to count on. */
  private giveUp(): ServerProcess | null {
    const { server } = this;
    this.server = null;
    this.world.workers.delete(this.name);
    return server;
  }

  private onExit(server: ServerProcess, { code, signal }: Exit): void {
    if (this.server !== server) return;
    this.giveUp();
    this.findings.add('died', `${this.name} (${server.pid}) ended by itself with ${code ?? signal}`);
    void this.start();
  }
}
