import { spawn } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { serverEnvironment } from './binaries.js';
import { FAST_SHUTDOWN_MS, IMMEDIATE_SHUTDOWN_MS } from './leftover-servers.js';
import type { SystemUser } from './system-user.js';

/**
 * The program between us and PostgreSQL: it starts the server and stops it when its input closes, which the operating
 * system does for us even after `kill -9`. As the server's parent it can signal it without a doubt about whose number
 * that is. Given to node as text, so that it is the same from sources, from the build and under test.
 */
const SOURCE = `
  const { spawn } = require('node:child_process');
  const { program, args, switchTo, env, fastMs, immediateMs } = JSON.parse(process.argv[1]);
  process.title = 'counterpart: watchdog of PostgreSQL';

  // Only the pipe tells when to stop: a signal to all processes must not part the server from an app still at work.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

  const server = spawn(program, args, { ...switchTo, env, cwd: '/', stdio: ['ignore', 'inherit', 'inherit'] });
  server.on('error', (error) => { console.error(error.message); process.exit(126); });
  server.on('exit', (code) => process.exit(code ?? 127));

  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    server.kill('SIGINT');
    setTimeout(() => server.kill('SIGQUIT'), fastMs);
    setTimeout(() => server.kill('SIGKILL'), fastMs + immediateMs);
  };
  for (const event of ['end', 'close', 'error']) process.stdin.on(event, stop);
  process.stdin.resume();
`;

/** A server at work. `stop` asks for a fast shutdown, `exited` is fulfilled when it has ended for whatever reason. */
export interface WatchedServer {
  exited: Promise<void>;
  hasExited(): boolean;
  stop(): void;
}

export function spawnWatched(program: string, args: string[], user: SystemUser, log: FileHandle): WatchedServer {
  const order = {
    program,
    args,
    switchTo: user.switchTo,
    env: serverEnvironment,
    fastMs: FAST_SHUTDOWN_MS,
    immediateMs: IMMEDIATE_SHUTDOWN_MS,
  };
  const child = spawn(process.execPath, ['--input-type=commonjs', '-e', SOURCE, JSON.stringify(order)], {
    cwd: '/',
    env: serverEnvironment,
    // Its own session: Ctrl-C in the terminal reaches the app alone, which stops the server when it is done with it.
    detached: true,
    stdio: ['pipe', log.fd, log.fd],
  });
  let ended = false;
  const exited = new Promise<void>((resolve) => {
    for (const event of ['exit', 'error']) {
      child.on(event, () => {
        ended = true;
        resolve();
      });
    }
  });
  const pipe = child.stdin as Socket;
  pipe.on('error', () => undefined);
  // An app that has nothing else to do may end; the closing pipe then stops the server.
  child.unref();
  pipe.unref();
  return {
    exited,
    hasExited: () => ended,
    stop: () => {
      child.ref();
      pipe.end();
    },
  };
}
