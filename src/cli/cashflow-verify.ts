import { Command } from 'commander';
import type { CashflowVerdict } from '../cashflow/cashflow-verdict.js';
import type { Application } from './application.js';
import { withExistingDatabase } from './database.js';
import { loadConfig } from '../settings/config.js';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';
import { runCommand } from './run-command.js';
import type { Terminal } from './terminal.js';

interface VerifyOptions {
  source?: string;
  json?: boolean;
}

/** `cashflow verify`: computes owners, verdicts and sums again from the rows, while servers may work. */
export function cashflowVerifyCommand(app: Application): Command {
  return new Command('verify')
    .description('compare owners, verdicts and sums with the rows, in the database of DATABASE_URL or the embedded one')
    .option('--source <name>', 'only of this source')
    .option('--json', 'print JSON for programs')
    .action((options: VerifyOptions) =>
      runCommand(options, async (terminal) => {
        const { source = null } = options;
        const verdict = await withExistingDatabase(loadConfig(), (url) => app.verifyCashflow(url, source));
        if (source !== null && verdict.sources === 0) throw new Failure(`There is no source "${source}".`);
        if (options.json) terminal.json(verdict);
        else report(terminal, verdict);
        return verdict.faults.length === 0 ? EXIT.ok : EXIT.failed;
      }),
    );
}

function report(terminal: Terminal, { received, clean, dirty, accounts, faults }: CashflowVerdict): void {
  for (const { source, what } of faults) terminal.line(`${terminal.style('red', '✗')} ${source}: ${what}.`);
  const checked = `${received} transactions (${clean} clean, ${dirty} dirty) and ${accounts} accounts`;
  if (faults.length > 0) terminal.line(`  Of ${checked} these do not agree; of each kind 20 at most are shown.`);
  else
    terminal.line(
      `${terminal.style('green', '✓')} Owners, verdicts and sums of ${checked} agree; all statements close.`,
    );
}
