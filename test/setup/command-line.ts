import { type ChildProcess, spawn } from 'node:child_process';
import { Console } from 'node:console';
import { once } from 'node:events';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { createProgram } from '../../src/cli/program.js';
import { application } from '../../src/local-application.js';
import { IS_EXHAUSTIVE } from './exhaustive.js';

/** The built command line; it is the one of the bundle that `global-setup.mjs` makes. The tests of the demo run the other. */
const CLI = join(import.meta.dirname, '../../dist/bundled/cli.js');

/** How a command ended, and all that it wrote. */
export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/**
 * What commands and servers of a test find in their environment: nothing of the run's own, which may name a server or a
 * Redis, but how to start fast.
 */
export function commandEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '', TEST_COMPILE_CACHE = '' } = process.env;
  return { PATH, HOME, NODE_COMPILE_CACHE: TEST_COMPILE_CACHE };
}

/** Starts a command as a process of its own, as its users do. */
export function startCommand(
  parameters: readonly string[],
  env: Record<string, string>,
  cwd = process.cwd(),
): ChildProcess {
  return spawn(process.execPath, [CLI, ...parameters], { env: { ...commandEnvironment(), ...env }, cwd });
}

/** Runs a command as a process of its own, for tests of what only a process shows: exit codes, pipes, what it loads. */
export async function runProcess(
  parameters: readonly string[],
  env: Record<string, string>,
  cwd?: string,
): Promise<Outcome> {
  const child = startCommand(parameters, env, cwd);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout as NodeJS.ReadableStream),
    text(child.stderr as NodeJS.ReadableStream),
    once(child, 'close'),
  ]);
  return { code, stdout, stderr };
}

/**
 * Runs a command for tests of what it does and says: in this process, as starting one takes ten times as long as the
 * command, or in one of its own where the tests are exhaustive. Commands in this process run one after the other.
 */
export function runCli(
  parameters: readonly string[],
  env: Record<string, string>,
  cwd = process.cwd(),
): Promise<Outcome> {
  return IS_EXHAUSTIVE ? runProcess(parameters, env, cwd) : runInTurn(() => runHere(parameters, env, cwd));
}

/** When the last command in this process so far has ended. */
let turn: Promise<unknown> = Promise.resolve();

function runInTurn(run: () => Promise<Outcome>): Promise<Outcome> {
  const outcome = turn.then(run, run);
  turn = outcome;
  return outcome;
}

/** A command in this process fails after this time, before its test does, so that the process is restored for the next. */
const DEADLINE_MS = 25_000;

/** What `process.exit` throws in place of ending our own process. */
class Exit {
  constructor(readonly code: number) {}
}

/** @throws Error if the command does not end in time, or ends without an exit code */
async function runHere(parameters: readonly string[], env: Record<string, string>, cwd: string): Promise<Outcome> {
  const [output, errors] = [new Collector(), new Collector()];
  const restore = pretend(
    { stdout: output, stderr: errors, env: { ...commandEnvironment(), ...env }, exit: exitByThrowing },
    new Console(output, errors),
    cwd,
  );
  const ended = new AbortController();
  let end: 'in time' | 'late' | Exit;
  try {
    end = await Promise.race([
      createProgram(application)
        .parseAsync(parameters, { from: 'user' })
        .then(() => 'in time' as const),
      delay(DEADLINE_MS, 'late' as const, { signal: ended.signal }),
    ]);
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    end = error;
  } finally {
    ended.abort();
    restore();
  }
  if (end instanceof Exit) return { code: end.code, stdout: output.text, stderr: errors.text };
  const what = end === 'late' ? `did not end within ${DEADLINE_MS} ms` : 'did not exit';
  throw new Error(`the command "${parameters.join(' ')}" ${what}; it wrote:\n${output.text}${errors.text}`);
}

/**
 * Gives the process other properties, another console and another folder.
 * @returns what undoes that, and removes handlers of signals
 */
function pretend(properties: Record<string, unknown>, console: Console, cwd: string): () => void {
  const [folder, interrupts] = [process.cwd(), process.listeners('SIGINT')];
  const replaced = Object.entries(properties).map(([name, value]) => replace(process, name, value));
  replaced.push(replace(globalThis, 'console', console));
  process.chdir(cwd);
  return () => {
    for (const putBack of replaced) putBack();
    process.chdir(folder);
    for (const listener of process.listeners('SIGINT')) {
      if (!interrupts.includes(listener)) process.removeListener('SIGINT', listener);
    }
  };
}

/** Gives an object another value of a property that it has. @returns what undoes that */
function replace(target: object, name: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(target, name) as PropertyDescriptor;
  Object.defineProperty(target, name, { value, configurable: true, writable: true });
  return () => {
    Object.defineProperty(target, name, before);
  };
}

function exitByThrowing(code: number): never {
  // oxlint-disable-next-line only-throw-error -- not an error: no handler of errors may take it for one
  throw new Exit(code);
}

/** Keeps what is written to it, like the pipe of a program that reads at once. */
class Collector extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
