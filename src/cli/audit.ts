import { Command, InvalidArgumentError } from 'commander';
import type { AuditHead, AuditVerdict } from '../audit/audit-verdict.js';
import { loadConfig } from '../settings/config.js';
import type { Application } from './application.js';
import { withExistingDatabase } from './database.js';
import { EXIT } from './exit-codes.js';
import { runCommand } from './run-command.js';
import type { Terminal } from './terminal.js';

interface VerifyOptions {
  expect?: AuditHead;
  json?: boolean;
}

/** `audit verify`: checks the audit log in the database directly, so that no server has to be trusted. */
export function auditCommand(app: Application): Command {
  const verify = new Command('verify')
    .description('check the chain of the audit log in the database of DATABASE_URL, or the embedded one')
    .option('--expect <seq:hash>', 'the head that an earlier run printed: it must still be in the log', knownHead)
    .option('--json', 'print JSON for programs')
    .action((options: VerifyOptions) => runCommand(options, (terminal) => verifyLog(app, terminal, options)));
  return new Command('audit').description('the audit log').addCommand(verify);
}

function knownHead(text: string): AuditHead {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text) ?? [];
  if (seq === undefined || hash === undefined) throw new InvalidArgumentError('It looks like 1234:9f86d081….');
  return { seq: Number(seq), hash: hash.toLowerCase() };
}

async function verifyLog(app: Application, terminal: Terminal, options: VerifyOptions): Promise<number> {
  const verdict = await withExistingDatabase(loadConfig(), (url) => app.verifyAudit(url, options.expect ?? null));
  if (options.json) terminal.json(verdict);
  else report(terminal, verdict);
  return verdict.broken === null ? EXIT.ok : EXIT.failed;
}

function report(terminal: Terminal, { broken, entries, first, last, head, forgotten }: AuditVerdict): void {
  if (broken !== null) {
    terminal.line(`${terminal.style('red', '✗')} Entry ${broken.seq}: ${broken.what}.`);
    terminal.line(`  The ${entries} entries before it are as they were written.`);
    return;
  }
  terminal.line(`${terminal.style('green', '✓')} ${entries} entries are as they were written.`);
  if (first && last) terminal.line(`  ${first.seq} of ${first.at} to ${last.seq} of ${last.at}`);
  if (forgotten > 0) terminal.line(`  Entries up to ${forgotten} are no longer kept.`);
  terminal.line(`  head ${head}`);
}
