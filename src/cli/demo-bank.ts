import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiClient } from './api-client.js';
import { followPull, type Pull } from './cashflow-pull.js';
import type { Narrator } from './demo-narrator.js';
import { renderTable } from './tables.js';

/** A source of its own: a pull replaces what its source has. */
const BANK_SOURCE = 'demo-bank';

const SEED = 1;

/** One answer in fifty breaks off, is an error, or comes twice. More, or what hangs, would only make the reader wait. */
const FAULT_RATE = 0.02;
const FAULTS = ['drop-before', 'drop-after', 'error', 'repeat'] as const;

const YEAR = 'from=2020-01-01&to=2021-01-01';

interface Balances {
  items: { period: string; opening: string; credits: string; debits: string; closing: string }[];
}

/** A chapter of the demo: bank transactions that are pulled from an unreliable system, and one company's year. */
export async function showBank(narrator: Narrator): Promise<void> {
  const { terminal, api } = narrator;
  const bank = api.forSource(BANK_SOURCE);
  narrator.title('A bank');
  narrator.say(
    'A bank does not send anything: it has to be asked, five days at a time, and one answer in fifty goes wrong.\n' +
      '   It knows 100 companies and 11,000 transactions of four years, made for this demo.',
  );
  const done = await pullFromBank(narrator, bank);
  const answers = Object.values(done.resources).reduce((sum, resource) => sum + resource.answers, 0);
  const received = `${terminal.number(done.counts.received)} records in ${terminal.number(answers)} answers`;
  terminal.line(`    ${done.status}: ${received}, ${done.gaps.length} gaps`);

  narrator.say('What had company 1 in 2020? Dirty transactions do not count; all currencies are converted to euros.');
  const path = `/companies/1/balances?interval=month&${YEAR}`;
  narrator.curl('', path, BANK_SOURCE);
  const { items } = await bank.get<Balances>(path);
  const columns = ['month', 'opening', 'credits', 'debits', 'closing'].map((heading) => {
    return { heading, isNumeric: heading !== 'month' };
  });
  const rows = items.map(({ period, opening, credits, debits, closing }) => [
    period,
    opening,
    credits,
    debits,
    closing,
  ]);
  terminal.line(renderTable(terminal, columns, rows));
}

async function pullFromBank(narrator: Narrator, bank: ApiClient): Promise<Pull> {
  const [{ Exposer }, { randomFaults }] = await Promise.all([
    import('../cashflow/exposer/exposer.js'),
    import('../cashflow/exposer/faults.js'),
  ]);
  const folder = await mkdtemp(join(tmpdir(), 'counterpart-bank-'));
  try {
    const data = join(folder, 'data');
    await makeSmallData(data);
    const nextFault = randomFaults(FAULT_RATE, SEED, FAULTS);
    const options = { folder: data, dialect: 'own', host: '127.0.0.1', port: 0, nextFault } as const;
    const exposer = await Exposer.start({ ...options, onFailure: () => undefined });
    try {
      narrator.curl(
        `-H 'Content-Type: application/json' -d '{ "baseUrl": "${exposer.url}" }'`,
        '/cashflow/pulls',
        BANK_SOURCE,
      );
      await endEarlier(bank);
      const begun = await bank.postJson<Pull>('/cashflow/pulls', { baseUrl: exposer.url });
      return await followPull(bank, narrator.terminal, begun, false);
    } finally {
      await exposer.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A demo that was interrupted has left a pull that waits for its bank. */
async function endEarlier(bank: ApiClient): Promise<void> {
  const { items } = await bank.get<{ items: Pull[] }>('/cashflow/pulls?limit=1');
  const [newest] = items;
  if (newest && newest.finishedAt === null) await bank.delete(newest.links.self);
}

async function makeSmallData(folder: string): Promise<void> {
  const [{ makeData }, { FolderDestination }, { describeData }, { SIZES }] = await Promise.all([
    import('../cashflow/maker/make-data.js'),
    import('../cashflow/maker/folder-destination.js'),
    import('../cashflow/maker/manifest.js'),
    import('../cashflow/maker/sizes.js'),
  ]);
  const destination = await FolderDestination.prepare(folder, 'ndjson', false);
  const job = { amounts: SIZES.small, seed: SEED, isFlat: false };
  await destination.finish(describeData('small', job, destination, await makeData(job, destination)));
}
