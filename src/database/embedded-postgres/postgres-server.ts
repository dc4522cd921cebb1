import { type FileHandle, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { DATABASE } from './cluster.js';
import { clusterName, endLeftoverServers, FAST_SHUTDOWN_MS, IMMEDIATE_SHUTDOWN_MS } from './leftover-servers.js';
import { openOwnLog } from './own-files.js';
import type { SystemUser } from './system-user.js';
import { spawnWatched, type WatchedServer } from './watchdog.js';

const HOST = '127.0.0.1';
const NO_SUCH_DATABASE = '3D000';
const MAX_LOG_BYTES = 10 * 1024 * 1024;
// Of the server's log, what a message about a failed start quotes at most.
const MAX_QUOTED_BYTES = 64 * 1024;
const POLL_MS = 20;
// Recovery after a crash replays up to max_wal_size before the server answers.
const READY_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = FAST_SHUTDOWN_MS + IMMEDIATE_SHUTDOWN_MS + 1_000;
// Another program may take the port between our choice and the server's start.
const PORT_ATTEMPTS = 5;
// A server that soon ends again is restarted after 0.1, 0.2, 0.4 … 5 s, for about two minutes.
const RESTART_ATTEMPTS = 30;
const MAX_RESTART_PAUSE_MS = 5_000;
const STABLE_AFTER_MS = 30_000;

/** For a small machine, and durable: an answered commit survives a power cut. */
const SETTINGS = {
  max_connections: '100',
  shared_buffers: '128MB',
  max_wal_size: '2GB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // The application gets the errors and decides what to log; in this log they would come with patients' data.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
};

export interface ServerPlan {
  program: string;
  cluster: string;
  user: SystemUser;
  password: string;
  logFile: string;
  settings: Record<string, string>;
  log: (line: string) => void;
  /** Called when the server has come back on another port than it had at its start. */
  onMove: (startPort: number, port: number) => void;
}

/**
 * One running PostgreSQL: finds it a port, waits until it answers, and starts it again if it ends by itself, on the same
 * port or, if another program has taken that meanwhile, on another one.
 */
export class PostgresServer {
  port = 0;
  private startPort = 0;
  private watched: WatchedServer | undefined;
  private readonly stopping = new AbortController();
  private recovery: Promise<void> = Promise.resolve();
  private readyAt = 0;
  private failures = 0;

  constructor(private readonly plan: ServerPlan) {}

  /** @throws Error with the last lines of the server's log, if it does not come up */
  async start(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.port = this.startPort = await findFreePort();
      try {
        return await this.launch();
      } catch (error) {
        if (!isPortTaken(error) || attempt === PORT_ATTEMPTS) throw error;
      }
    }
  }

  /** Ends the server and all of its processes; one that hangs is killed after 14 s. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.watched?.stop();
    await this.recovery;
    // A watchdog that does nothing (stopped with SIGSTOP) must not keep us waiting for ever.
    await Promise.race([this.watched?.exited, delay(STOP_LIMIT_MS, undefined, { ref: false })]);
    await endLeftoverServers(this.plan.cluster, this.plan.user.uid);
  }

  private async launch(): Promise<void> {
    const { program, user, cluster, logFile } = this.plan;
    await endLeftoverServers(cluster, user.uid);
    const log = await openOwnLog(logFile);
    try {
      await this.launchWith(log, program);
    } finally {
      await log.close();
    }
    this.readyAt = Date.now();
    void this.watched?.exited.then(() => {
      if (!this.stopping.signal.aborted) this.recovery = this.recover();
    });
  }

  private async launchWith(log: FileHandle, program: string): Promise<void> {
    const logged = await trimLog(log);
    // No `await` between the check and the assignment: a stop finds either no server or this one.
    const watched = this.stopping.signal.aborted
      ? undefined
      : spawnWatched(program, this.arguments(), this.plan.user, log);
    this.watched = watched;
    if (!watched) throw new Error('stopped while starting');
    try {
      await this.waitUntilReady(watched);
    } catch (error) {
      watched.stop();
      await watched.exited;
      const lines = (await readFrom(log, logged)).trim().split('\n').slice(-20);
      throw new Error(`PostgreSQL did not start: ${(error as Error).message}\n${lines.join('\n')}`, { cause: error });
    }
  }

  private arguments(): string[] {
    const settings = {
      ...SETTINGS,
      ...this.plan.settings,
      cluster_name: clusterName(this.plan.cluster),
      listen_addresses: HOST,
      port: String(this.port),
      unix_socket_directories: '',
    };
    return [
      '-D',
      this.plan.cluster,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ];
  }

  private async waitUntilReady(watched: WatchedServer): Promise<void> {
    for (const deadline = Date.now() + READY_LIMIT_MS; Date.now() < deadline; await delay(POLL_MS)) {
      if (watched.hasExited()) throw new Error('it ended at once');
      if (!(await this.hasPort())) continue;
      if (await this.answers().catch(() => false)) return;
    }
    throw new Error(`no answer within ${READY_LIMIT_MS} ms`);
  }

  /** Like pg_ctl: the last line of postmaster.pid says so once the port is bound, so we never connect to another program. */
  private async hasPort(): Promise<boolean> {
    const lines = (await readFile(join(this.plan.cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
    return lines[3] === String(this.port) && lines[7]?.trim() === 'ready';
  }

  private async answers(): Promise<boolean> {
    try {
      await this.query(DATABASE, 'select 1');
    } catch (error) {
      if ((error as { code?: string }).code !== NO_SUCH_DATABASE) throw error;
      await this.query('postgres', `create database ${DATABASE}`);
    }
    return true;
  }

  private async query(database: string, sql: string): Promise<void> {
    const { port, plan } = this;
    const client = new pg.Client({ host: HOST, port, user: DATABASE, password: plan.password, database, ssl: false });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query(sql);
    } finally {
      await client.end();
    }
  }

  private async recover(): Promise<void> {
    const { log } = this.plan;
    const { signal } = this.stopping;
    if (Date.now() - this.readyAt > STABLE_AFTER_MS) this.failures = 0;
    log(`PostgreSQL ended unexpectedly; starting it again on port ${this.port}`);
    while (this.failures < RESTART_ATTEMPTS && !signal.aborted) {
      const pauseMs = Math.min(100 * 2 ** this.failures++, MAX_RESTART_PAUSE_MS);
      await delay(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.launch();
        this.plan.onMove(this.startPort, this.port);
        return log(`PostgreSQL is back on port ${this.port}`);
      } catch (error) {
        if (signal.aborted) return;
        log((error as Error).message);
        if (isPortTaken(error)) await this.leavePort();
      }
    }
    if (!signal.aborted) log(`PostgreSQL is not started again after ${RESTART_ATTEMPTS} attempts`);
  }

  private async leavePort(): Promise<void> {
    const taken = this.port;
    this.port = await findFreePort();
    this.plan.log(`another program has taken port ${taken}; trying port ${this.port}`);
  }
}

/** What the server itself says, in the language of its messages, which is always English. */
function isPortTaken(error: unknown): boolean {
  return (error as Error).message.includes('could not bind');
}

async function findFreePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => probe.once('error', reject).listen(0, HOST, resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port on 127.0.0.1');
  return address.port;
}

/** Empties a log that grew too large; returns how many bytes it has. */
async function trimLog(log: FileHandle): Promise<number> {
  const { size } = await log.stat();
  if (size <= MAX_LOG_BYTES) return size;
  await log.truncate(0);
  return 0;
}

async function readFrom(log: FileHandle, position: number): Promise<string> {
  const bytes = Buffer.alloc(MAX_QUOTED_BYTES);
  const { bytesRead } = await log.read(bytes, 0, bytes.length, position);
  return bytes.toString('utf8', 0, bytesRead);
}
