import { Command } from 'commander';
import { loadConfig } from '../settings/config.js';
import { startEmbeddedPostgres } from '../database/embedded-postgres/embedded-postgres.js';
import type { Application } from './application.js';
import { EXIT } from './exit-codes.js';
import { runCommand } from './run-command.js';
import type { Terminal } from './terminal.js';

/** `migrate`: brings the database up to date, for deployments with a step of its own for that. Every start does it too. */
export function migrateCommand(app: Application): Command {
  return new Command('migrate')
    .description('bring the database of DATABASE_URL, or the embedded one, up to date')
    .action(() => runCommand({}, (terminal) => migrateDatabase(app, terminal)));
}

async function migrateDatabase(app: Application, terminal: Terminal): Promise<number> {
  const config = loadConfig();
  const embedded = config.DATABASE_URL ? null : await startEmbeddedPostgres({ dataDir: config.DATA_DIR });
  const databaseUrl = config.DATABASE_URL ?? embedded?.url ?? '';
  try {
    // Imported here, as it loads the whole ORM.
    const { migrate } = await import('../migrations/migrate.js');
    const queue = config.REDIS_URL ? null : { prefix: config.QUEUE_PREFIX };
    await migrate(await app.migrationOptions(databaseUrl), databaseUrl, queue, await app.applyResources(config, false));
  } finally {
    await embedded?.stop();
  }
  terminal.line(`${terminal.style('green', '✓')} The database is up to date.`);
  return EXIT.ok;
}
