import { Command } from 'commander';
import type { Application } from './application.js';
import { accountsCommand } from './accounts.js';
import { auditCommand } from './audit.js';

import { withPaymentCommands } from './claim-payments.js';
import { cashflowCommand } from './cashflow.js';
import { claimsCommand } from './claims.js';
import { approveCommand, cancelCommand, rejectCommand, revertCommand } from './decisions.js';
import { demoCommand } from './demo.js';
import { errorsCommand } from './errors.js';
import { jobCommand } from './job.js';
import { jobsCommand } from './jobs.js';
import { keysCommand } from './keys.js';
import { loadCommand } from './load.js';
import { migrateCommand } from './migrate.js';
import { mirrorCommand } from './mirror.js';
import { resourcesCommand } from './resources.js';

const COMMANDS = [
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
  resourcesCommand,
  mirrorCommand,
  auditCommand,
  (app: Application) => withPaymentCommands(app, claimsCommand(app)),
  accountsCommand,
  cashflowCommand,
  demoCommand,
];

const EXAMPLES = `
Examples:
  $ npm run cli -- load --model-name patient --input-file samples/patients-day1.json
  $ npm run cli -- load --model-name payment --input-file payments.csv.gz --dry-run
  $ npm run cli -- jobs --status awaiting_approval
  $ npm run cli -- keys create --name clinic --source clinic --scope submit,read
`;

/** The command line. It parses one line of arguments, and ends the process with the command's exit code. */
export function createProgram(app: Application): Command {
  const program = new Command('counterpart')
    .description('Keeps an exact counterpart of what an external system holds.')
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(--help shows more)');
  for (const command of COMMANDS) program.addCommand(command(app));
  return program;
}
