import 'reflect-metadata';
import { Command } from 'commander';
import type { Application } from './cli/application.js';
import { approveCommand, cancelCommand, rejectCommand } from './cli/decisions.js';
import { demoCommand } from './cli/demo.js';
import { errorsCommand } from './cli/errors.js';
import { jobCommand } from './cli/job.js';
import { jobsCommand } from './cli/jobs.js';
import { loadCommand } from './cli/load.js';
import { migrateCommand } from './cli/migrate.js';

const app: Application = {
  resourceNames: async () => (await import('./resources.js')).resources.map(({ definition }) => definition.name),
  startServer: async (config) => (await import('./server.js')).startServer(config),
  databaseOptions: async (config, url) => (await import('./app.module.js')).databaseOptions(config, url),
};

const commands = [
  loadCommand,
  jobsCommand,
  jobCommand,
  errorsCommand,
  approveCommand,
  rejectCommand,
  cancelCommand,
  migrateCommand,
  demoCommand,
];

const EXAMPLES = `
Examples:
  $ npm run cli -- load --model-name patient --input-file samples/patients-day1.json
  $ npm run cli -- load --model-name payment --input-file payments.csv.gz --dry-run
  $ npm run cli -- jobs --status awaiting_approval
`;

const program = new Command('counterpart')
  .description('Keeps an exact counterpart of what an external system holds.')
  .addHelpText('after', EXAMPLES)
  .showHelpAfterError('(--help tells more)');
for (const command of commands) program.addCommand(command(app));
await program.parseAsync();
