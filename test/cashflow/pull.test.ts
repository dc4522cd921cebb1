import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Installation } from '../declared/installation.js';
import { oneIn } from '../setup/exhaustive.js';
import type { TestServer } from '../setup/test-server.js';
import { computeTruth } from './made-data.js';
import { Bank, closingsOf, pull, QUICK, RAILS, recordsOf, rowsOf } from './puller.js';

let bank: Bank;
let server: TestServer;
let here: Installation;

beforeAll(async () => {
  bank = await Bank.open();
  here = await Installation.create();
  server = await here.start(QUICK);
}, 60_000);

afterAll(async () => {
  await here?.close();
  await bank?.close();
});

afterEach(async () => {
  await bank.stopAll();
  expect(bank.failures.splice(0)).toEqual([]);
});

// A pull takes a job for each month of four years.
describe.each(oneIn(3, ['own', 'glued', 'paged'] as const))('a source of the dialect %s', (dialect) => {
  it('is found out and mirrored row by row, and pulled again without any change', async () => {
    const source = `bank-${dialect}`;

    const done = await pull(server, await bank.expose(dialect), {}, source);

    expect(done).toMatchObject({ status: 'completed', dialect, gaps: [], error: null, progress: { percent: 100 } });
    for (const rail of RAILS) expect(await rowsOf(server, rail, source)).toEqual(bank.rows(rail));
    const companies = await recordsOf(server, 'companies', source);
    expect(companies.map(({ id, name, ibans }) => JSON.stringify([id, name, ibans])).toSorted()).toEqual(
      bank.companies(),
    );
    const rates = await recordsOf(server, 'exchange-rates', source);
    expect(new Set(rates.map(({ currency }) => currency))).toEqual(new Set(bank.currencies()));
    // The rates of glued say what a euro costs, to ten digits.
    if (dialect === 'glued') expectNear(await closingsOf(server, source), computeTruth(bank.folder));
    else expect(await closingsOf(server, source)).toEqual(computeTruth(bank.folder).toSorted());
    expect(done.counts.received).toBe(done.progress.processed);
    expect(done.resources.sepa.jobs.length).toBeGreaterThanOrEqual(48);
    expect(done.resources.sepa.jobs[0]).toMatchObject({
      status: 'completed',
      window: { from: expect.stringMatching(/^2018-01-0/), to: '2018-02-01T00:00:00.000Z' },
    });

    const again = await pull(server, await bank.expose(dialect), { dialect }, source);

    expect(again).toMatchObject({ status: 'completed', counts: { created: 0, updated: 0, deleted: 0 } });
  }, 240_000);
});

/** Whether figures differ by a few cents at most. */
function expectNear(found: string[], expected: string[]): void {
  const truth = expected.toSorted();
  expect(found).toHaveLength(truth.length);
  for (const [place, line] of found.entries()) {
    const [id, quarter, ...figures] = line.split(',');
    const [otherId, otherQuarter, ...others] = (truth[place] ?? '').split(',');
    expect([id, quarter]).toEqual([otherId, otherQuarter]);
    for (const [index, figure] of figures.entries()) {
      expect(Math.abs(Number(figure) - Number(others[index]))).toBeLessThan(0.1);
    }
  }
}
