import { CompanyMaker } from './companies.js';
import { amountText, CURRENCIES, type Currency, drawRates, type Rate } from './currencies.js';
import { DATES, DAYS, quarterEndingWith } from './days.js';
import { type Flow, periodName, planFlows } from './flows.js';
import type { Destination, Output } from './output.js';
import { addInvalidParties, addStrangers } from './parties.js';
import { Random } from './random.js';
import { COLUMNS, companyLine, csvLine, type DataSetName, rateLine, textsOf, transactionLine } from './row-formats.js';
import { type Amounts, type Rail, RAILS } from './sizes.js';
import { centsText, TrueBalances } from './truth.js';
import type { Transaction } from './transaction.js';
import { type Cast, TransactionMaker } from './transactions.js';

/** What is to be made. */
export interface MakeOptions {
  amounts: Amounts;
  seed: number;
  /** Without recurring flows. */
  isFlat: boolean;
  onProgress?: (rows: number, total: number) => void;
}

/** How many rows there are of each data set. */
export type RowCounts = Record<DataSetName, number>;

/**
 * Makes companies, rates and transactions, and with them what an exact analysis has to find. Everything follows from the
 * seed. Transactions are made in the order of their times and kept nowhere, so that the memory that it takes depends on the
 * number of companies and flows alone.
 */
export async function makeData(options: MakeOptions, destination: Destination): Promise<RowCounts> {
  const rates = drawRates(new Random(options.seed, 'rates'));
  const { parties } = await makeCompanies(options, destination);
  const cast: Cast = {
    parties,
    strangers: addStrangers(parties, options.seed),
    invalid: addInvalidParties(parties, options.seed),
  };
  const flowsOf = (rail: Rail) => (options.isFlat ? [] : planFlows(rail, options.amounts[rail], parties, options.seed));
  const flows = { sepa: flowsOf('sepa'), swift: flowsOf('swift') };
  // From here on IBANs are only read.
  parties.known.clear();
  const outputs = await openAll(destination);
  for (const rate of rates) outputs.rates.append(rateLine(destination.format, rate));
  const run = new TransactionRun(options, destination.format, cast, flows, rates, outputs);
  for (let day = 0; day < DAYS; day++) await run.day(day);
  for (const rail of RAILS) for (const flow of flows[rail]) appendFlow(outputs.recurring, flow, cast);
  await Promise.all(Object.values(outputs).map((output) => output.end()));
  const counts = Object.entries(outputs).map(([name, { rows }]) => [name, rows] as const);
  return { companies: options.amounts.companies, ...Object.fromEntries(counts) } as RowCounts;
}

async function makeCompanies({ seed, amounts }: MakeOptions, destination: Destination): Promise<CompanyMaker> {
  const maker = await CompanyMaker.load(seed);
  const output = await openWithHeader(destination, 'companies');
  for (let made = 0; made < amounts.companies; made++) {
    output.append(companyLine(destination.format, maker.next()));
    if (output.isFull) await output.flush();
  }
  await output.end();
  return maker;
}

type Outputs = Record<Exclude<DataSetName, 'companies'>, Output>;

async function openAll(destination: Destination): Promise<Outputs> {
  const names = (Object.keys(COLUMNS) as DataSetName[]).filter((name) => name !== 'companies');
  const opened = await Promise.all(names.map(async (name) => [name, await openWithHeader(destination, name)] as const));
  return Object.fromEntries(opened) as Outputs;
}

/** CSV begins with the names of the columns. */
async function openWithHeader(destination: Destination, name: DataSetName): Promise<Output> {
  const output = await destination.open(name);
  const isFixed = name === 'dirty' || name === 'recurring' || name === 'truth';
  if (isFixed || destination.format === 'csv') output.header(csvLine(COLUMNS[name]));
  return output;
}

/** Makes the days' transactions and follows the balances meanwhile. */
class TransactionRun {
  private readonly makers: Record<Rail, TransactionMaker>;
  private readonly balances: TrueBalances;
  private rows = 0;

  constructor(
    private readonly options: MakeOptions,
    private readonly format: Destination['format'],
    private readonly cast: Cast,
    flows: Record<Rail, Flow[]>,
    rates: readonly Rate[],
    private readonly outputs: Outputs,
  ) {
    const makerOf = (rail: Rail) => new TransactionMaker(rail, options.amounts[rail], cast, flows[rail], options.seed);
    this.makers = { sepa: makerOf('sepa'), swift: makerOf('swift') };
    this.balances = new TrueBalances(options.amounts.companies, rates);
  }

  async day(day: number): Promise<void> {
    for (const rail of RAILS) {
      const output = this.outputs[rail];
      for (const transaction of this.makers[rail].ofDay(day)) {
        this.append(rail, output, transaction, day);
        if (output.isFull) await output.flush();
      }
    }
    await this.outputs.dirty.flush();
    const quarter = quarterEndingWith(day);
    if (quarter !== null) await this.closeQuarter(quarter);
    const { amounts, onProgress } = this.options;
    onProgress?.(this.rows, amounts.sepa + amounts.swift);
  }

  private append(rail: Rail, output: Output, transaction: Transaction, day: number): void {
    const { payer, beneficiary, currency, amount, kinds, copies } = transaction;
    const texts = textsOf(transaction, day, this.cast.parties.ibans);
    const line = transactionLine(this.format, texts);
    for (let copy = 0; copy < copies; copy++) output.append(line);
    this.rows += copies;
    const isCounted = kinds.length === 0 || (kinds.length === 1 && kinds[0] === 'duplicate');
    if (isCounted) {
      const { owners } = this.cast.parties;
      this.balances.add(owners[payer] ?? -1, currency, -amount);
      this.balances.add(owners[beneficiary] ?? -1, currency, amount);
    }
    if (kinds.length === 0) return;
    const { id, payer: payerIban, beneficiary: beneficiaryIban, amount: value, currency: code, timestamp } = texts;
    this.outputs.dirty.append(csvLine([rail, id, payerIban, beneficiaryIban, value, code, timestamp, kinds.join('|')]));
  }

  private async closeQuarter(quarter: string): Promise<void> {
    const { truth } = this.outputs;
    for (const { company, eur, usd } of this.balances.close()) {
      truth.append(csvLine([String(company + 1), quarter, centsText(eur), centsText(usd)]));
      if (truth.isFull) await truth.flush();
    }
  }
}

/** A line for each company that has a part in a flow. */
function appendFlow(output: Output, flow: Flow, { parties: { ibans, owners } }: Cast): void {
  if (flow.firstDay < 0) return;
  const { code, decimals } = CURRENCIES[flow.currency] as Currency;
  const rest = [periodName(flow), amountText(flow.amount, decimals), code, DATES[flow.firstDay], DATES[flow.lastDay]];
  for (const [direction, own, other] of [
    ['out', flow.payer, flow.beneficiary],
    ['in', flow.beneficiary, flow.payer],
  ] as const) {
    const owner = owners[own];
    if (owner === undefined) continue;
    output.append(csvLine([String(owner + 1), ibans[other] as string, direction, ...(rest as string[])]));
  }
}
