import type { Command } from 'commander';
import { ConfigError } from '../settings/config.js';
import { Problem, Unreachable } from './api-client.js';
import type { ApiClient } from './api-client.js';
import type { Application } from './application.js';
import { connect, type ConnectionOptions, withConnectionOptions } from './connection.js';
import { EXIT, EXIT_INTERRUPTED } from './exit-codes.js';
import { Failure } from './failure.js';
import { printable, Terminal } from './terminal.js';

/** What a command works with. */
export interface Session<Options> {
  api: ApiClient;
  terminal: Terminal;
  options: Options & ConnectionOptions;
}

/** Adds the connection options to a command and runs `work`, which returns the exit code, when it is called. */
export function talkToServer<Options>(
  app: Application,
  command: Command,
  work: (session: Session<Options>, ...parameters: string[]) => Promise<number>,
): Command {
  return withConnectionOptions(command).action(async (...given: unknown[]) => {
    const parameters = given.filter((value): value is string => typeof value === 'string');
    const options = command.opts<Options & ConnectionOptions>();
    process.once('SIGINT', () => process.exit(EXIT_INTERRUPTED));
    await runCommand(options, async (terminal) => {
      const connection = await connect(app, options, terminal);
      try {
        return await work({ api: connection.api, terminal, options }, ...parameters);
      } finally {
        await connection.close();
      }
    });
  });
}

/** Runs a command and ends the process with its exit code. Stacks are only printed with `LOG_LEVEL=debug`. */
export async function runCommand(
  options: Pick<ConnectionOptions, 'json'>,
  work: (terminal: Terminal) => Promise<number>,
): Promise<void> {
  const terminal = new Terminal();
  let code: number = EXIT.failed;
  try {
    code = await work(terminal);
  } catch (error) {
    if (options.json && error instanceof Problem) terminal.json(error.document);
    else terminal.remark(explain(error, terminal));
    if (process.env['LOG_LEVEL'] === 'debug') terminal.remark(String((error as Error).stack));
  }
  await terminal.flush();
  process.exit(code);
}

function explain(error: unknown, terminal: Terminal): string {
  const cross = terminal.style('red', '✗');
  if (error instanceof Problem) return `${cross} ${explainProblem(error)}`;
  const isOurs = error instanceof Failure || error instanceof Unreachable || error instanceof ConfigError;
  if (isOurs || isOfResources(error)) return `${cross} ${printable(error.message).replaceAll('\\u000a', '\n')}`;
  return `${cross} It did not work: ${plainMessage(error)}`;
}

/** Files of resources that are wrong, and changes that would lose something. By shape: the classes are the server's. */
function isOfResources(error: unknown): error is Error {
  return error instanceof Error && ('faults' in error || 'changes' in error);
}

/** What to do about refusals that concern the key rather than the request, by code. */
const REMEDIES: Record<string, string> = {
  unauthorized:
    'Give a key with --key or COUNTERPART_KEY. An operator of the server creates one: npm run cli -- keys create --help',
  missing_scope:
    'Give a key with that scope with --key or COUNTERPART_KEY. On the server, npm run cli -- keys list shows the scopes.',
};

/** The detail, then a line for each fault. */
function explainProblem({ document, message }: Problem): string {
  const faults = (document.errors ?? []).map(({ parameter, pointer, code, detail }) => {
    const place = parameter ?? pointer;
    return `    ${place === undefined ? '' : `${place}: `}${detail} (${code})`;
  });
  // A single fault often has the same detail as the problem itself.
  const isSaid = faults.length === 1 && document.errors?.[0]?.detail === message;
  const remedy = document.code === undefined ? undefined : REMEDIES[document.code];
  const lines = [
    `${message} (${document.status}${document.code ? ` ${document.code}` : ''})`,
    ...(isSaid ? [] : faults),
    ...(remedy === undefined ? [] : [remedy]),
  ];
  return lines.map((line) => printable(line)).join('\n');
}

/** Errors of connections to several addresses have no message of their own. */
function plainMessage(error: unknown): string {
  const { message, code, errors } = error as { message?: string; code?: string; errors?: Error[] };
  return message || errors?.map((each) => each.message).join(', ') || code || String(error);
}
