import { Command, InvalidArgumentError, Option } from 'commander';
import { once } from 'node:events';
// The exposer is loaded where it is called: no other command needs it.
import type { ExposeOptions } from '../cashflow/exposer/exposer.js';
import type { Fault } from '../cashflow/exposer/faults.js';
import { readSeed } from './cashflow-make.js';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';
import { runCommand } from './run-command.js';
import type { Terminal } from './terminal.js';

interface Options {
  data: string;
  port: number;
  host: string;
  dialect: ExposeOptions['dialect'];
  faultRate: number;
  faults?: string;
  seed: number;
}

/** `cashflow expose`: serves made data as a bank would, with its faults. */
export function cashflowExposeCommand(): Command {
  return new Command('expose')
    .description('serve made data as an external system would, with its faults, until it is stopped')
    .option('--data <folder>', 'what cashflow make has made', 'cashflow-data')
    .option('--port <n>', '0: a free one', readPort, 8080)
    .option('--host <address>', 'the address to listen on', '127.0.0.1')
    .addOption(
      new Option('--dialect <dialect>', 'what the answers look like').choices(['own', 'glued', 'paged']).default('own'),
    )
    .option('--fault-rate <share>', 'the share of answers that go wrong, from 0 to 1', readShare, 0)
    .option('--faults <list>', 'only these: drop-before,drop-after,restart,hang,error,repeat,slow')
    .option('--seed <n>', 'the same seed makes the same faults', readSeed, 1)
    .action((options: Options) => runCommand({}, (terminal) => expose(terminal, options)));
}

async function expose(terminal: Terminal, options: Options): Promise<number> {
  const [{ Exposer }, { DataMissing }, { randomFaults, FAULTS }] = await Promise.all([
    import('../cashflow/exposer/exposer.js'),
    import('../cashflow/exposer/data-folder.js'),
    import('../cashflow/exposer/faults.js'),
  ]);
  const kinds = options.faults === undefined ? FAULTS : readFaults(options.faults, FAULTS);
  const { data: folder, dialect, host, port, faultRate, seed } = options;
  const nextFault = randomFaults(faultRate, seed, kinds);
  const onFailure = (error: Error) => terminal.remark(`An answer was cut: ${error.message}`);
  const exposer = await Exposer.start({ folder, dialect, host, port, nextFault, onFailure }).catch((error: unknown) => {
    throw error instanceof DataMissing ? new Failure(error.message) : error;
  });
  terminal.line(`serving ${folder} in the dialect ${dialect} on ${exposer.url}`);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  await exposer.close();
  return EXIT.ok;
}

function readFaults(text: string, known: readonly Fault[]): Fault[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !known.includes(name as Fault));
  if (unknown !== undefined) throw new Failure(`There is no fault "${unknown}". There are ${known.join(', ')}.`);
  return names as Fault[];
}

function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new InvalidArgumentError('A port is a number from 0 to 65535.');
  return port;
}

function readShare(text: string): number {
  const share = /^\d{0,3}\.?\d{0,9}$/.test(text) ? Number(text) : Number.NaN;
  if (text === '' || !(share <= 1)) throw new InvalidArgumentError('A share is a number from 0 to 1.');
  return share;
}
