import type { Command } from 'commander';
import { newKey } from '../access/key-text.js';
import { loadConfig } from '../settings/config.js';
import { DataDirectoryInUseError } from '../database/embedded-postgres/data-directory-lock.js';
import { ApiClient } from './api-client.js';
import type { Application } from './application.js';
import { Failure } from './failure.js';
import type { Terminal } from './terminal.js';

/** The options of every command that talks to a server. */
export interface ConnectionOptions {
  url?: string;
  key?: string;
  source?: string;
  json?: boolean;
}

/** A connection to a server: a running one, or one in this process that ends with the command. */
export interface Connection {
  api: ApiClient;
  close(): Promise<void>;
}

/** A server on this machine answers at once, however busy it is; another program on its port may never answer. */
const PROBE_LIMIT_MS = 3_000;

/** Our own server: a user who may read the database gets a key with all scopes, other users of the machine have none. */
const OWN_SERVER = { ROLE: 'all', HOST: '127.0.0.1', PORT: 0, AUTH: 'keys', LOG_LEVEL: 'silent' } as const;

export function withConnectionOptions(command: Command): Command {
  return command
    .option('--url <url>', 'the server (default: COUNTERPART_URL, else this machine, else the database directly)')
    .option('--key <key>', 'the key to use (default: COUNTERPART_KEY)')
    .option('--source <name>', 'the source that the command is for')
    .option('--json', 'print JSON for programs');
}

/**
 * Finds the server: the one that was named, or the one on this machine. If none was named and none runs, the command works
 * on the database directly: the whole application starts in this process, with a key that only this process knows.
 * @throws Failure if neither works
 */
export async function connect(app: Application, options: ConnectionOptions, terminal: Terminal): Promise<Connection> {
  const named = options.url ?? nonEmpty(process.env['COUNTERPART_URL']);
  if (named !== undefined) return { api: client(httpUrl(named), options), close: () => Promise.resolve() };
  const config = loadConfig();
  const local = `http://127.0.0.1:${config.PORT}`;
  if (await isServer(local)) return { api: client(local, options), close: () => Promise.resolve() };
  terminal.remark(`No server at ${local}: working on the database directly.`);
  try {
    const operatorKey = newKey();
    const own = { ...config, ...OWN_SERVER };
    const server = await app.startServer(own, { operatorKey });
    return { api: client(server.url, { ...options, key: operatorKey }), close: () => server.close() };
  } catch (error) {
    if (error instanceof DataDirectoryInUseError) throw inUse(local, error);
    throw error;
  }
}

function client(url: string, { key, source }: ConnectionOptions): ApiClient {
  const shown = key ?? nonEmpty(process.env['COUNTERPART_KEY']);
  return new ApiClient(url, {
    ...(shown === undefined ? {} : { Authorization: `Bearer ${shown}` }),
    ...(source === undefined ? {} : { 'X-Source': source }),
  });
}

/** Whether a counterpart server listens there, rather than none or another program. */
async function isServer(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health/live`, { signal: AbortSignal.timeout(PROBE_LIMIT_MS) });
    const health = (await response.json()) as { status?: unknown };
    return typeof health.status === 'string';
  } catch {
    return false;
  }
}

function httpUrl(text: string): string {
  if (URL.canParse(text) && /^https?:\/\//.test(text)) return text;
  throw new Failure(`"${text}" is not the address of a server: it must look like http://127.0.0.1:3000.`);
}

function inUse(local: string, { directory, pid }: DataDirectoryInUseError): Failure {
  return new Failure(
    `No server answers at ${local}, yet process ${pid} uses the data directory ${directory}:\n` +
      'probably a server on another port. Name it with --url or COUNTERPART_URL, or set PORT to its port.',
  );
}

/** An empty variable counts as unset, as compose files write it. */
function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
