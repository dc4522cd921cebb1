import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { randomFaults } from '../../src/cashflow/exposer/faults.js';
import { type Fault } from '../../src/cashflow/exposer/faults.js';
import { Installation } from '../declared/installation.js';
import { IS_EXHAUSTIVE, oneIn, SEED } from '../setup/exhaustive.js';
import type { TestServer } from '../setup/test-server.js';
import { Bank, beginPull, endOf, pull, QUICK, RAILS, rowsOf } from './puller.js';

let bank: Bank;
let server: TestServer;
let here: Installation;
let sources = 0;

beforeAll(async () => {
  bank = await Bank.open({ companies: 20, sepa: 600, swift: 600 });
  here = await Installation.create();
  server = await here.start(QUICK);
}, 60_000);

afterAll(async () => {
  await here?.close();
  await bank?.close();
});

afterEach(async () => {
  await bank.stopAll();
  bank.failures.splice(0);
});

const newSource = () => `bank-${++sources}`;

/** Faults at some of the calls, counted from 0. */
function at(places: Record<number, Fault>): () => Fault | null {
  let call = 0;
  return () => places[call++] ?? null;
}

const FAULTS: Fault[] = ['drop-before', 'drop-after', 'error', 'hang', 'repeat', 'slow', 'restart'];

it.each(oneIn(7, FAULTS))(
  'a source that can be asked again loses nothing by the fault %s, wherever it comes',
  async (fault) => {
    const source = newSource();
    const url = await bank.expose(
      'own',
      at({ 0: fault, 1: fault, 2: fault, 3: fault, 9: fault, 10: fault, 11: fault, 300: fault }),
    );

    const done = await pull(server, url, {}, source);

    expect(done).toMatchObject({ status: 'completed', dialect: 'own', gaps: [], error: null });
    for (const rail of RAILS) expect(await rowsOf(server, rail, source)).toEqual(bank.rows(rail));
  },
  90_000,
);

/** Of tests that take a hundred jobs or more the quick run has one half or the other. */
const itInTurn = (turn: number) => (IS_EXHAUSTIVE || (SEED + turn) % 2 === 0 ? it : it.skip);

describe('a source that keeps the cursor', () => {
  itInTurn(0)(
    'loses nothing by faults after which the same window comes again, or its first one',
    async () => {
      const source = newSource();
      // Companies, to find out the dialect and to take them, rates: then the first windows.
      const url = await bank.expose(
        'glued',
        at({ 4: 'drop-before', 7: 'repeat', 9: 'error', 12: 'slow', 40: 'restart', 60: 'hang' }),
      );

      const done = await pull(server, url, {}, source);

      expect(done).toMatchObject({ status: 'completed', dialect: 'glued', gaps: [], error: null });
      for (const rail of RAILS) expect(await rowsOf(server, rail, source)).toEqual(bank.rows(rail));
    },
    240_000,
  );

  itInTurn(1)(
    'has gaps exactly where windows were lost, and keeps what was stored there',
    async () => {
      const source = newSource();
      const lost = { sepa: new Set<string>(), swift: new Set<string>() };
      const whole = await bank.expose('own');
      await pull(server, whole, {}, source);
      await bank.stopAll();
      const url = await bank.expose(
        'glued',
        at(Object.fromEntries([20, 21, 40, 41, 100].map((call) => [call, 'drop-after' as const]))),
      );

      const done = await pull(server, url, { dialect: 'glued' }, source);

      expect(done).toMatchObject({ status: 'completed', error: null });
      expect(done.gaps.length).toBeGreaterThan(2);
      for (const { resource, from, to } of done.gaps) {
        const days = (Date.parse(to) - Date.parse(from)) / 86_400_000;
        expect(days % 5).toBe(0);
        for (let day = 0; day < days; day += 5)
          lost[resource as 'sepa'].add(new Date(Date.parse(from) + day * 86_400_000).toISOString().slice(0, 10));
      }
      expect(lost.sepa.size + lost.swift.size).toBe(5);
      for (const rail of RAILS) expect(await rowsOf(server, rail, source)).toEqual(bank.rows(rail));

      const other = newSource();
      const again = await bank.expose(
        'glued',
        at(Object.fromEntries([20, 21, 40, 41, 100].map((call) => [call, 'drop-after' as const]))),
      );
      const { gaps } = await pull(server, again, {}, other);
      for (const rail of RAILS) {
        const mine = gaps.filter(({ resource }) => resource === rail);
        const isReceived = ({ timestamp }: { timestamp: string }) =>
          !mine.some(({ from, to }) => from <= timestamp && timestamp < to);
        expect(await rowsOf(server, rail, other)).toEqual(bank.rows(rail, isReceived));
      }

      const basis = async (name: string) =>
        await (await fetch(`${server.url}/companies`, { headers: { 'X-Source': name } })).json();
      expect(await basis(other)).toMatchObject({ complete: false });
      await bank.stopAll();
      await pull(server, await bank.expose('own'), {}, other);
      expect(await basis(other)).toMatchObject({ complete: true });
    },
    240_000,
  );
});

itInTurn(1)(
  'a source with many faults of all kinds is read to its end',
  async () => {
    const source = newSource();
    const url = await bank.expose(
      'own',
      randomFaults(0.1, 3, ['drop-before', 'drop-after', 'error', 'repeat', 'restart']),
    );

    const done = await pull(server, url, {}, source);

    expect(done).toMatchObject({ status: 'completed', gaps: [] });
    for (const rail of RAILS) expect(await rowsOf(server, rail, source)).toEqual(bank.rows(rail));
  },
  240_000,
);

it('waits for a source that is not up yet', async () => {
  const source = newSource();
  const url = await bank.expose('paged');
  await bank.stopAll();

  const { id } = await beginPull(server, url, {}, source);
  await bank.expose('paged', [], Number(new URL(url).port));

  expect(await endOf(server, id, source)).toMatchObject({ status: 'completed', dialect: 'paged', waiting: null });
  for (const rail of RAILS) expect(await rowsOf(server, rail, source)).toEqual(bank.rows(rail));
}, 60_000);
