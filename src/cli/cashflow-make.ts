import { Command, InvalidArgumentError, Option } from 'commander';
// The maker is loaded where it is called: no other command needs it.
import type { MakeOptions, RowCounts } from '../cashflow/maker/make-data.js';
import type { Format } from '../cashflow/maker/row-formats.js';
import type { SizeName } from '../cashflow/maker/sizes.js';
import { EXIT, EXIT_INTERRUPTED } from './exit-codes.js';
import { Failure } from './failure.js';
import { Progress } from './progress.js';
import { runCommand } from './run-command.js';
import { formatBytes, type Terminal } from './terminal.js';

interface Options {
  size: SizeName;
  seed: number;
  out: string;
  flat?: boolean;
  format: Format;
  zstd?: boolean;
  database?: string;
  schema: string;
  json?: boolean;
}

/** `cashflow make`: makes companies and their transactions, and what an exact analysis of them has to find. */
export function cashflowMakeCommand(): Command {
  return new Command('make')
    .description('make companies with bank transactions of four years, and the balances that follow from them')
    .addOption(
      new Option('--size <size>', 'companies / SEPA / SWIFT: 100/1k/10k, 1k/100k/1M, 10k/1M/10M, 100k/10M/100M')
        .choices(['small', 'medium', 'large', 'mega'])
        .makeOptionMandatory(),
    )
    .option('--seed <n>', 'the same seed makes the same bytes', readSeed, 1)
    .option('--out <folder>', 'where the files go', 'cashflow-data')
    .option('--flat', 'without recurring flows')
    .addOption(
      new Option('--format <format>', 'of companies, rates and transactions')
        .choices(['ndjson', 'csv'])
        .default('ndjson'),
    )
    .option('--zstd', 'compress companies, rates and transactions')
    .option('--database <url>', 'fill tables of a PostgreSQL database instead of files')
    .option('--schema <name>', 'the schema that is made for these tables', readSchema, 'cashflow_data')
    .option('--json', 'print JSON for programs')
    .action((options: Options) => {
      process.once('SIGINT', () => process.exit(EXIT_INTERRUPTED));
      return runCommand(options, (terminal) => make(terminal, options));
    });
}

async function make(terminal: Terminal, options: Options): Promise<number> {
  const { SIZES } = await import('../cashflow/maker/sizes.js');
  const amounts = SIZES[options.size];
  const progress = new Progress(terminal, options.json);
  const onProgress = (rows: number, total: number) =>
    progress.show('Making', Math.floor((rows / total) * 100), `${terminal.number(rows)} transactions`);
  const job: MakeOptions = { amounts, seed: options.seed, isFlat: options.flat === true, onProgress };
  progress.show('Making', 0, `${terminal.number(amounts.companies)} companies`);
  let result: { rows: RowCounts; place: string; bytes?: number };
  try {
    result =
      options.database === undefined ? await toFolder(job, options) : await toDatabase(job, options.database, options);
  } finally {
    progress.stop();
  }
  if (options.json) terminal.json(result);
  else report(terminal, options, result);
  return EXIT.ok;
}

async function toFolder(job: MakeOptions, options: Options) {
  const [{ makeData }, { FolderDestination, FolderInUse }, { describeData }] = await Promise.all([
    import('../cashflow/maker/make-data.js'),
    import('../cashflow/maker/folder-destination.js'),
    import('../cashflow/maker/manifest.js'),
  ]);
  const folder = await FolderDestination.prepare(options.out, options.format, options.zstd === true).catch(
    (error: unknown) => {
      throw error instanceof FolderInUse ? new Failure(`${error.message} Name another folder with --out.`) : error;
    },
  );
  const rows = await makeData(job, folder);
  await folder.finish(describeData(options.size, job, folder, rows));
  return { rows, place: options.out, bytes: folder.bytes };
}

async function toDatabase(job: MakeOptions, url: string, { schema }: Options) {
  const [{ makeData }, { SchemaDestination, SchemaInUse }] = await Promise.all([
    import('../cashflow/maker/make-data.js'),
    import('../cashflow/maker/schema-destination.js'),
  ]);
  const destination = await SchemaDestination.create(url, schema).catch((error: unknown) => {
    throw error instanceof SchemaInUse
      ? new Failure(`${error.message} Drop it, or name another with --schema.`)
      : error;
  });
  try {
    const rows = await makeData(job, destination);
    await destination.finish();
    return { rows, place: `schema ${schema}` };
  } catch (error) {
    // What went wrong first is told, also if nothing can be removed any more.
    await destination.drop().catch(() => undefined);
    throw error;
  } finally {
    await destination.close();
  }
}

function report(
  terminal: Terminal,
  { size, seed, out, database, format, zstd }: Options,
  { rows, place, bytes }: { rows: RowCounts; place: string; bytes?: number },
): void {
  const [companies, sepa, swift, dirty] = [rows.companies, rows.sepa, rows.swift, rows.dirty].map((count) =>
    terminal.number(count),
  );
  terminal.line(`${terminal.style('green', '✓')} ${size} data of seed ${seed} are in ${place}:`);
  terminal.line(`  ${companies} companies, ${sepa} SEPA and ${swift} SWIFT transactions, ${dirty} of them dirty.`);
  if (bytes !== undefined) terminal.line(`  ${formatBytes(bytes)} in all.`);
  if (database === undefined && format === 'ndjson' && !zstd) {
    terminal.line(`  To serve them as a bank would: npm run cli -- cashflow expose --data ${out}`);
  }
}

/** The value of `--seed`. */
export function readSeed(text: string): number {
  const seed = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(seed)) throw new InvalidArgumentError('A seed is a whole number from 0 to 2^53 − 1.');
  return seed;
}

function readSchema(text: string): string {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(text) || text.startsWith('pg_')) {
    throw new InvalidArgumentError('Names have lower-case letters, digits and underscores, and do not begin with pg_.');
  }
  return text;
}
