import { Command } from 'commander';
import { existsSync } from 'node:fs';
import pg from 'pg';
import { loadConfig } from '../settings/config.js';
import type { Application, SchemaChangeView } from './application.js';
import { withDatabase, withExistingDatabase } from './database.js';
import { EXIT } from './exit-codes.js';
import { runCommand } from './run-command.js';
import type { Terminal } from './terminal.js';

/** `check` ends with it if applying would lose something. */
const EXIT_LOSES = 2;

/** `resources`: the resources that an installation declares in files. */
export function resourcesCommand(app: Application): Command {
  const check = new Command('check')
    .description('say what is wrong with the files of RESOURCES_DIR, and what applying them would change')
    .option('--json', 'print JSON for programs')
    .action((options: { json?: boolean }) => runCommand(options, (terminal) => checkFiles(app, terminal, options)));
  const apply = new Command('apply')
    .description('bring the database of DATABASE_URL, or the embedded one, to the files of RESOURCES_DIR')
    .option('--allow-loss', 'also where stored values or rows are lost')
    .option('--json', 'print JSON for programs')
    .action((options: { json?: boolean; allowLoss?: boolean }) =>
      runCommand(options, (terminal) => applyFiles(app, terminal, options)),
    );
  return new Command('resources').description('resources of your own').addCommand(check).addCommand(apply);
}

async function checkFiles(app: Application, terminal: Terminal, options: { json?: boolean }): Promise<number> {
  const config = loadConfig();
  const check = await app.checkResources(config).catch((error: unknown) => {
    if (options.json && error instanceof Error && 'faults' in error)
      terminal.json({ faults: error.faults, changes: [] });
    throw error;
  });
  if (!config.DATABASE_URL && !existsSync(config.DATA_DIR)) {
    if (options.json) terminal.json({ faults: [], changes: [] });
    else terminal.line('The files are good. There is no database yet: the first start makes it, with their tables.');
    return EXIT.ok;
  }
  const changes = await withExistingDatabase(config, async (url) => {
    const client = new pg.Client(url);
    await client.connect();
    try {
      return await check(client);
    } finally {
      await client.end();
    }
  });
  if (options.json) terminal.json({ faults: [], changes: changes.map(toJson) });
  else report(terminal, changes, 'would change', 'The files are good, and the database is as they say.');
  return changes.some(({ loses }) => loses) ? EXIT_LOSES : EXIT.ok;
}

async function applyFiles(
  app: Application,
  terminal: Terminal,
  options: { json?: boolean; allowLoss?: boolean },
): Promise<number> {
  const config = loadConfig();
  const apply = await app.applyResources(config, options.allowLoss === true);
  const { migrate } = await import('../migrations/migrate.js');
  const queue = config.REDIS_URL ? null : { prefix: config.QUEUE_PREFIX };
  const changes = await withDatabase(config, async (url) => {
    return migrate(await app.migrationOptions(url), url, queue, apply);
  });
  if (options.json) terminal.json({ changes: changes.map(toJson) });
  else report(terminal, changes, 'was changed', 'The database was as the files say already.');
  return EXIT.ok;
}

function toJson({ resource, what, loses }: SchemaChangeView): SchemaChangeView {
  return { resource, what, loses };
}

function report(terminal: Terminal, changes: SchemaChangeView[], verb: string, nothing: string): void {
  if (changes.length === 0) {
    terminal.line(`${terminal.style('green', '✓')} ${nothing}`);
    return;
  }
  terminal.line(`This ${verb}:`);
  for (const { resource, what, loses } of changes) {
    terminal.line(
      `  ${loses ? terminal.style('red', '!') : '+'} ${resource}: ${what}${loses ? ' (loses something)' : ''}`,
    );
  }
}
