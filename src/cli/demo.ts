import { Command } from 'commander';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { newKey } from '../access/key-text.js';
import { DEFAULT_DIRECTORY } from '../definitions/resource-files.js';
import { authMode, type Config, loadConfig } from '../settings/config.js';
import { StopRequest } from '../runtime/stop-request.js';
import { DataDirectoryInUseError } from '../database/embedded-postgres/data-directory-lock.js';
import { ApiClient } from './api-client.js';
import type { Application, LocalServer } from './application.js';
import { type DemoTarget, Narrator } from './demo-narrator.js';
import { chooseDemoSource } from './demo-source.js';
import { DemoShow } from './demo-show.js';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';
import { runCommand } from './run-command.js';
import { SAMPLE_RESOURCES } from './samples.js';
import type { Terminal } from './terminal.js';

/** The process exits after this time, even if closing the server has not finished. */
const HARD_EXIT_MS = 19_000;

/** `demo`: the whole system in this process, and an external system that sends two days of snapshots to it. */
export function demoCommand(app: Application): Command {
  const command = new Command('demo').description('start everything and send sample snapshots to it');
  return command
    .option('--exit', 'end after the demo instead of staying up')
    .action(() => runCommand({}, (terminal) => demo(app, terminal, command.opts<{ exit?: boolean }>())));
}

async function demo(app: Application, terminal: Terminal, options: { exit?: boolean }): Promise<number> {
  const stop = StopRequest.listen();
  terminal.line(
    `\n${terminal.style('bold', 'counterpart')} keeps an exact counterpart of what an external system holds.`,
  );
  const config = withResources(await demoConfig(terminal), terminal);
  const database = config.DATABASE_URL ? 'the one of DATABASE_URL' : `an embedded PostgreSQL in ${config.DATA_DIR}`;
  terminal.line(terminal.style('dim', `Starting the server and its database, ${database} …`));
  const operatorKey = newKey();
  const server = await startServer(app, config, { operatorKey, stopping: stop.signal });
  if (server === null) return EXIT.ok;
  try {
    terminal.line(`listening on ${server.url}`);
    await Promise.race([
      show(server, terminal, operatorKey, {
        wantsKeys: authMode(config) === 'keys',
        hasAppointments: config.RESOURCES_DIR === SAMPLE_RESOURCES,
        mayPull: config.PULL_TARGETS === undefined && authMode(config) === 'open',
      }),
      stop.made(),
    ]);
    if (!options.exit) await stop.made();
  } finally {
    terminal.line(terminal.style('dim', '\nStopping …'));
    setTimeout(() => process.exit(EXIT.failed), HARD_EXIT_MS).unref();
    await server.close();
  }
  return EXIT.ok;
}

async function show(
  server: LocalServer,
  terminal: Terminal,
  key: string,
  target: Omit<DemoTarget, 'source'>,
): Promise<void> {
  const api = new ApiClient(server.url, { Authorization: `Bearer ${key}` });
  const source = await chooseDemoSource(api, terminal, target.hasAppointments);
  const own = source === null ? api : api.forSource(source);
  await new DemoShow(new Narrator(own, terminal, { source, ...target })).run();
}

/** Whoever has declared resources keeps them, and sees the demo without its own. */
function withResources(config: Config, terminal: Terminal): Config {
  if (config.RESOURCES_DIR === undefined && !existsSync(DEFAULT_DIRECTORY)) {
    return { ...config, RESOURCES_DIR: SAMPLE_RESOURCES };
  }
  terminal.line('You have declared resources of your own: the demo leaves out the one that it would declare.');
  return config;
}

/** The usual settings, but with a free port if the configured one is taken, and a log of warnings and errors only. */
async function demoConfig(terminal: Terminal): Promise<Config> {
  const config = loadConfig({ ...process.env, ROLE: 'all', LOG_LEVEL: process.env['LOG_LEVEL'] || 'warn' });
  if (await isFree(config.PORT, config.HOST)) return config;
  terminal.line(`Port ${config.PORT} is taken: taking a free one.`);
  return { ...config, PORT: 0 };
}

async function isFree(port: number, host: string): Promise<boolean> {
  const probe = createServer();
  try {
    await new Promise<void>((resolve, reject) => probe.once('error', reject).listen(port, host, resolve));
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EADDRINUSE';
  } finally {
    await new Promise((resolve) => probe.close(resolve));
  }
}

/** @returns null if the start was given up because the demo was asked to stop */
async function startServer(
  app: Application,
  config: Config,
  options: { operatorKey: string; stopping: AbortSignal },
): Promise<LocalServer | null> {
  try {
    return await app.startServer(config, options);
  } catch (error) {
    if (error === options.stopping.reason) return null;
    if (!(error instanceof DataDirectoryInUseError)) throw error;
    throw new Failure(
      `Process ${error.pid} uses the data directory ${error.directory}: probably a server or another demo.\n` +
        'Stop it, or give the demo a directory of its own: DATA_DIR=.data-demo npm run demo',
    );
  }
}
