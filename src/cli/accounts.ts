import { Command } from 'commander';
import type { AccountsVerdict } from '../accounts/accounts-verdict.js';
import { loadConfig } from '../settings/config.js';
import type { Application } from './application.js';
import { withExistingDatabase } from './database.js';
import { EXIT } from './exit-codes.js';
import { runCommand } from './run-command.js';
import type { Terminal } from './terminal.js';

/** `accounts verify`: checks the ledger in the database directly, while servers may post. */
export function accountsCommand(app: Application): Command {
  const verify = new Command('verify')
    .description('add up the ledger in the database of DATABASE_URL, or the embedded one')
    .option('--json', 'print JSON for programs')
    .action((options: { json?: boolean }) =>
      runCommand(options, async (terminal) => {
        const verdict = await withExistingDatabase(loadConfig(), (url) => app.verifyAccounts(url));
        if (options.json) terminal.json(verdict);
        else report(terminal, verdict);
        return verdict.faults.length === 0 ? EXIT.ok : EXIT.failed;
      }),
    );
  return new Command('accounts').description('the ledger').addCommand(verify);
}

function report(terminal: Terminal, { accounts, transfers, entries, faults }: AccountsVerdict): void {
  for (const { source, subject, what } of faults) {
    terminal.line(`${terminal.style('red', '✗')} ${source} ${subject}: ${what}.`);
  }
  const checked = `${accounts} accounts, ${transfers} transfers and ${entries} entries`;
  if (faults.length > 0) terminal.line(`  Of ${checked} these do not agree; of each kind 20 at most are shown.`);
  else terminal.line(`${terminal.style('green', '✓')} ${checked} agree.`);
}
