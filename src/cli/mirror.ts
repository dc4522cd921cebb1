import { Command } from 'commander';
import { loadConfig } from '../settings/config.js';
import type { MirrorVerdict } from '../sync/verify/mirror-verdict.js';
import type { Application } from './application.js';
import { withExistingDatabase } from './database.js';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';
import { runCommand } from './run-command.js';
import type { Terminal } from './terminal.js';

interface VerifyOptions {
  source?: string;
  resource?: string;
  json?: boolean;
}

/** `mirror verify`: compares what follows from the rows of the mirror with the rows, while servers may work. */
export function mirrorCommand(app: Application): Command {
  const verify = new Command('verify')
    .description(
      'compare links, totals and the change feed with the rows, in the database of DATABASE_URL or the embedded one',
    )
    .option('--source <name>', 'only of this source')
    .option('--resource <name>', 'only of this resource')
    .option('--json', 'print JSON for programs')
    .action((options: VerifyOptions) =>
      runCommand(options, async (terminal) => {
        const config = loadConfig();
        const part = { source: options.source ?? null, resource: options.resource ?? null };
        const verdict = await withExistingDatabase(config, (url) => app.verifyMirror(config, url, part));
        if (verdict.resources === 0) throw new Failure(`There is no resource "${options.resource}".`);
        if (part.source !== null && verdict.sources === 0) throw new Failure(`There is no source "${part.source}".`);
        if (options.json) terminal.json(verdict);
        else report(terminal, verdict);
        return verdict.faults.length === 0 ? EXIT.ok : EXIT.failed;
      }),
    );
  return new Command('mirror').description('the mirrored rows').addCommand(verify);
}

function report(terminal: Terminal, { resources, rows, faults }: MirrorVerdict): void {
  for (const { source, resource, externalId, what } of faults) {
    const subject = externalId === null ? resource : `${resource} ${externalId}`;
    terminal.line(`${terminal.style('red', '✗')} ${source} ${subject}: ${what}.`);
  }
  const checked = `${rows} rows of ${resources} ${resources === 1 ? 'resource' : 'resources'}`;
  if (faults.length > 0) terminal.line(`  Of ${checked} these do not agree; of each kind 20 at most are shown.`);
  else terminal.line(`${terminal.style('green', '✓')} Links, totals and feed of ${checked} agree.`);
}
