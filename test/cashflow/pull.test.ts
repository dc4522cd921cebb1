import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { Installation } from '../declared/installation.js';
import { asking, Bank, beginPull, endOf, pull, QUICK, RAILS, recordsOf, rowsOf } from './puller.js';

let bank: Bank;
let server: TestServer;
let here: Installation;
let sources = 0;

const TX = {
  key: ['transactionId', 'payerIban', 'beneficiaryIban', 'timestamp'],
  duplicates: 'count',
  fields: {
    transactionId: 'text(100)',
    payerIban: 'text(50)',
    beneficiaryIban: 'text(50)',
    amount: 'decimal(19,4)',
    currency: 'text(10)?',
    timestamp: 'instant',
  },
  window: 'timestamp',
};

beforeAll(async () => {
  bank = await Bank.open();
  here = await Installation.create();
  here.declare(
    {
      name: 'companies',
      fields: {
        externalId: 'text(50)',
        name: 'text',
        owner: 'text?',
        address: 'text?',
        ibans: 'text[]',
        statedBalance: 'decimal(19,4)?',
      },
    },
    {
      name: 'exchange-rates',
      key: 'currency',
      fields: { currency: 'text(10)', eurRate: 'decimal(38,18)?', usdRate: 'decimal(38,18)?' },
    },
    { name: 'sepa', ...TX },
    { name: 'swift', ...TX },
  );
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

const newSource = () => `bank-${++sources}`;

describe.each(['own', 'glued', 'paged'] as const)('a source of the dialect %s', (dialect) => {
  it('is mirrored row by row', async () => {
    const source = newSource();

    const done = await pull(server, await bank.expose(dialect), {}, source);

    expect(done).toMatchObject({ status: 'completed', dialect, gaps: [], error: null, progress: { percent: 100 } });
    for (const rail of RAILS) {
      const got = await rowsOf(server, rail, source);
      const all = bank.rows(rail);
      expect(got.filter((row) => !all.includes(row))).toEqual([]);
      console.log(rail, all.length, got.length, done.counts);
    }
    const companies = await recordsOf(server, 'companies', source);
    expect(
      companies.map(({ externalId, name, ibans }) => JSON.stringify([externalId, name, ibans])).toSorted(),
    ).toEqual(bank.companies());
    const rates = await recordsOf(server, 'exchange-rates', source);
    expect(rates.map(({ currency }) => currency).toSorted()).toEqual(bank.currencies());
    expect(done.counts.received).toBe(done.progress.processed);
    expect(done.resources.sepa.jobs).toHaveLength(48);
  }, 60_000);
});
