import { Command } from 'commander';
import type { AccessKeys } from '../access/access-keys.js';
import { SCOPES, type Scope } from '../http/caller.js';
import { loadConfig } from '../settings/config.js';
import type { Application } from './application.js';
import { userName } from '../values/user-name.js';
import { withDatabase } from './database.js';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';
import { ANY_SOURCE, KEY_COLUMNS, keyRow, keyView, lastDayOf } from './key-list.js';
import { endOfDay, nameOf, scopesOf, sourceOf } from './key-options.js';
import { runCommand } from './run-command.js';
import { renderTable } from './tables.js';
import type { Terminal } from './terminal.js';

interface CreateOptions {
  name: string;
  source: string;
  scope: Scope[];
  expires?: Date;
}

/** `keys`: manages the keys of callers. It uses the database and not a server, so that the first key can be made. */
export function keysCommand(app: Application): Command {
  return new Command('keys')
    .description('make, list and revoke the keys of callers, on the database directly')
    .addCommand(createCommand(app))
    .addCommand(listCommand(app))
    .addCommand(revokeCommand(app));
}

function createCommand(app: Application): Command {
  const command = new Command('create').description('make a key, which is shown only once, on the last line');
  return command
    .requiredOption('--name <name>', 'its name in lists and logs', nameOf)
    .requiredOption('--source <source>', "the source that it belongs to; '*' for any, for operators", sourceOf)
    .requiredOption(
      '--scope <scopes>',
      `what it may do: one or more of ${SCOPES.join(', ')}, separated by commas`,
      scopesOf,
    )
    .option('--expires <date>', 'the last day, in UTC, on which it is valid, such as 2027-01-31', endOfDay)
    .action(() => runCommand({}, (terminal) => create(app, terminal, command.opts<CreateOptions>())));
}

function listCommand(app: Application): Command {
  const command = new Command('list').description('list the keys, newest first').option('--json', 'print JSON');
  return command.action(() => {
    const options = command.opts<{ json?: boolean }>();
    return runCommand(options, (terminal) => list(app, terminal, options.json === true));
  });
}

function revokeCommand(app: Application): Command {
  return new Command('revoke')
    .description('revoke a key for good, at once and on all servers')
    .argument('<name>')
    .action((name: string) => runCommand({}, (terminal) => revoke(app, terminal, name)));
}

async function create(app: Application, terminal: Terminal, options: CreateOptions): Promise<number> {
  const { name, scope: scopes, expires: expiresAt = null } = options;
  const source = options.source === ANY_SOURCE ? null : options.source;
  const key = await withKeys(app, (keys) =>
    keys.create({ name, source, scopes, expiresAt }, `cli:${userName()}`),
  ).catch((error: unknown) => {
    if (!(error instanceof Error) || error.name !== 'NameTakenError') throw error;
    throw new Failure(`There is a key "${name}" already: choose another name, or revoke it first.`, { cause: error });
  });
  const until = expiresAt === null ? '' : `, through ${lastDayOf(expiresAt)} (UTC)`;
  terminal.remark(`The key "${name}" of source ${options.source} may ${scopes.join(', ')}${until}.`);
  if (source !== null && scopes.includes('ops')) {
    terminal.remark('Note that ops shows the numbers and queues of all sources.');
  }
  terminal.remark('It is shown only once:');
  terminal.line(key);
  return EXIT.ok;
}

async function list(app: Application, terminal: Terminal, asJson: boolean): Promise<number> {
  const keys = await withKeys(app, (all) => all.list());
  if (asJson) terminal.json(keys.map(keyView));
  else if (keys.length === 0) terminal.line('There are no keys.');
  else terminal.line(renderTable(terminal, KEY_COLUMNS, keys.map(keyRow)));
  return EXIT.ok;
}

async function revoke(app: Application, terminal: Terminal, name: string): Promise<number> {
  const isRevoked = await withKeys(app, (keys) => keys.revoke(name, `cli:${userName()}`));
  if (!isRevoked) throw new Failure(`There is no key "${name}" that could be revoked: keys list shows all keys.`);
  terminal.line(`${terminal.style('green', '✓')} The key "${name}" is revoked.`);
  return EXIT.ok;
}

/** Works on the keys in the database, which is migrated first. */
async function withKeys<T>(app: Application, work: (keys: AccessKeys) => Promise<T>): Promise<T> {
  return withDatabase(loadConfig(), async (databaseUrl) => {
    const options = await app.migrationOptions(databaseUrl);
    // Imported here, as they load the whole ORM.
    const [{ MikroORM }, { AccessKeys }, { migrate }] = await Promise.all([
      import('@mikro-orm/postgresql'),
      import('../access/access-keys.js'),
      import('../migrations/migrate.js'),
    ]);
    await migrate(options, databaseUrl, null);
    const orm = new MikroORM(options);
    try {
      return await work(new AccessKeys(orm.em));
    } finally {
      await orm.close();
    }
  });
}
