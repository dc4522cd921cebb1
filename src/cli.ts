import 'reflect-metadata';
import { Command } from 'commander';
import type { Application } from './cli/application.js';
import { accountsCommand } from './cli/accounts.js';
import { auditCommand } from './cli/audit.js';
import { withPaymentCommands } from './cli/claim-payments.js';
import { claimsCommand } from './cli/claims.js';
import { approveCommand, cancelCommand, rejectCommand, revertCommand } from './cli/decisions.js';
import { demoCommand } from './cli/demo.js';
import { errorsCommand } from './cli/errors.js';
import { jobCommand } from './cli/job.js';
import { jobsCommand } from './cli/jobs.js';
import { keysCommand } from './cli/keys.js';
import { loadCommand } from './cli/load.js';
import { migrateCommand } from './cli/migrate.js';

const app: Application = {
  resourceNames: async () => (await import('./resources.js')).resources.map(({ definition }) => definition.name),
  startServer: async (config, options) => (await import('./server.js')).startServer(config, options),
  migrationOptions: async (url) => (await import('./app.module.js')).migrationOptions(url),
  verifyAccounts: async (url) => (await import('./accounts/verify-accounts.js')).verifyAccounts(url),
  verifyAudit: async (url, expected) => (await import('./audit/verify-audit.js')).verifyAudit(url, expected),
  verifyTotals: async (url, source) => (await import('./claims/totals-check.js')).verifyTotals(url, source),
  rebuildTotals: async (url, source) => (await import('./claims/totals-check.js')).rebuildTotals(url, source),
};

const commands = [
  loadCommand,
  jobsCommand,
  jobCommand,
  errorsCommand,
  approveCommand,
  rejectCommand,
  cancelCommand,
  revertCommand,
  keysCommand,
  migrateCommand,
  auditCommand,
  (application: Application) => withPaymentCommands(application, claimsCommand(application)),
  accountsCommand,
  demoCommand,
];

const EXAMPLES = `
Examples:
  $ npm run cli -- load --model-name patient --input-file samples/patients-day1.json
  $ npm run cli -- load --model-name payment --input-file payments.csv.gz --dry-run
  $ npm run cli -- jobs --status awaiting_approval
  $ npm run cli -- keys create --name clinic --source clinic --scope submit,read
`;

const program = new Command('counterpart')
  .description('Keeps an exact counterpart of what an external system holds.')
  .addHelpText('after', EXAMPLES)
  .showHelpAfterError('(--help shows more)');
for (const command of commands) program.addCommand(command(app));
await program.parseAsync();
