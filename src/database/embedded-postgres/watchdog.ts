import { spawn } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { serverEnvironment } from './binaries.js';
import { FAST_SHUTDOWN_MS, IMMEDIATE_SHUTDOWN_MS } from './leftover-servers.js';
import type { SystemUser } from './system-user.js';

/**
 * The program between us and PostgreSQL: it starts the server and stops it when its input closes, which the operating
 * system does for us even after `kill -9`. As the server's parent it can signal it without the risk that the process
 * number has been reused. Passed to node as text, so that it is the same from sources, from the build and under test.
 */
const SOURCE = `
  const { spawn } = require('node:child_process');
  const { program, args, switchTo, env, fastMs, immediateMs } = JSON.parse(process.argv[1]);
  process.title = 'counterpart: watchdog of PostgreSQL';

  // Only the pipe says when to stop: a signal to all processes must not end the server before an application that uses it.
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

/** A running server. `stop` requests a fast shutdown, `exited` resolves when it has ended for any reason. */
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
    // A session of its own: Ctrl-C in the terminal only reaches the application, which stops the server at its own end.
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
  // An application that has nothing else to do may end; the closing pipe then stops the server.
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
