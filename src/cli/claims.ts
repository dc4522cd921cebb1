import { Command } from 'commander';
import { loadConfig } from '../settings/config.js';
import type { TotalDifference, TotalsVerdict } from '../claims/totals-verdict.js';
import type { Application } from './application.js';
import { withExistingDatabase } from './database.js';
import { EXIT } from './exit-codes.js';
import { runCommand } from './run-command.js';
import type { Terminal } from './terminal.js';

interface TotalsOptions {
  source?: string;
  json?: boolean;
}

/**
 * `claims verify` and `claims rebuild`: compare providers' totals with the lines of their claims, and correct them. They
 * work on the database directly.
 */
export function claimsCommand(app: Application): Command {
  const verify = withOptions('verify', "compare providers' totals with the lines of their claims").action(
    (options: TotalsOptions) =>
      runCommand(options, async (terminal) => {
        const verdict = await withExistingDatabase(loadConfig(), (url) =>
          app.verifyTotals(url, options.source ?? null),
        );
        if (options.json) terminal.json(verdict);
        else report(terminal, verdict);
        return verdict.different === 0 ? EXIT.ok : EXIT.failed;
      }),
  );
  const rebuild = withOptions(
    'rebuild',
    "correct providers' totals; claims that are being stored wait meanwhile",
  ).action((options: TotalsOptions) =>
    runCommand(options, async (terminal) => {
      const before = await withExistingDatabase(loadConfig(), (url) => app.rebuildTotals(url, options.source ?? null));
      if (options.json) terminal.json(before);
      else report(terminal, before, before.different > 0 ? 'They are right now.' : undefined);
      return EXIT.ok;
    }),
  );
  return new Command('claims').description("claims and their providers' totals").addCommand(verify).addCommand(rebuild);
}

function withOptions(name: string, description: string): Command {
  return new Command(name)
    .description(`${description}, in the database of DATABASE_URL or the embedded one`)
    .option('--source <name>', 'only of this source')
    .option('--json', 'print JSON for programs');
}

function report(terminal: Terminal, verdict: TotalsVerdict, remark?: string): void {
  const { providers, different, differences } = verdict;
  if (different === 0) {
    terminal.line(`${terminal.style('green', '✓')} The totals of ${providers} providers are what their lines say.`);
    return;
  }
  terminal.line(`${terminal.style('red', '✗')} ${different} of ${providers} totals are not what their lines say.`);
  for (const difference of differences) terminal.line(`  ${described(difference)}`);
  if (different > differences.length) terminal.line(`  … and ${different - differences.length} more`);
  if (remark !== undefined) terminal.line(remark);
}

function described({ source, providerNpi, kept, counted }: TotalDifference): string {
  const side = (total: TotalDifference['kept']) => (total ? `${total.netFee} of ${total.claims} claims` : 'nothing');
  return `${source} ${providerNpi}: kept ${side(kept)}, counted ${side(counted)}`;
}
