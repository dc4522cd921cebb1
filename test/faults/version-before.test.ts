import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Random } from '../declared/random-resources.js';
import { Sender } from '../http/sender.js';
import { runCli } from '../setup/command-line.js';
import { IS_EXHAUSTIVE } from '../setup/exhaustive.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { type PaymentChange, WorkerBefore } from './version-before.js';

const SEED = Number(process.env['SAMPLE_SEED'] ?? Math.floor(Math.random() * 1e6));
const STEPS = IS_EXHAUSTIVE ? 200 : 40;

type Payment = { externalId: string; patientId: string; amount: string };

const aPatient = (externalId: string) => ({ externalId, firstName: 'New', lastName: 'New' });

let server: TestServer;
let from: Sender;
let before: WorkerBefore;

beforeAll(async () => {
  server = await startTestServer();
});

beforeEach(async () => {
  from = new Sender(server);
  await from.mirror('/patients', ['1', '2'].map(aPatient));
  before = await WorkerBefore.on(server.databaseUrl, from.source);
});

afterEach(() => before.leave());

afterAll(() => server.close());

/** What both versions answer of patients by total, highest first, which must be the same. */
async function byTotal(): Promise<[string, string, number][]> {
  const { items } = await from.get('/patients?sort=-paymentsTotal');
  const old = await before.reads();
  expect(old.map(({ externalId, count }) => [externalId, count])).toEqual(
    items.map(({ externalId, paymentsCount }: any) => [externalId, paymentsCount]),
  );
  expect(old.map(({ total }) => Number(total))).toEqual(items.map((item: any) => Number(item.paymentsTotal)));
  return items.map((item: any) => [item.externalId, item.paymentsTotal, item.paymentsCount]);
}

async function expectConsistency(): Promise<void> {
  const environment = { DATABASE_URL: server.databaseUrl };
  const { code, stdout } = await runCli(['mirror', 'verify', '--source', from.source], environment);
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^✓ /) });
}

describe('a worker of the version that kept totals in the rows of patients', () => {
  it('brings patients and payments, and this version knows their totals', async () => {
    await before.payments([{ externalId: 'a', after: { patientId: '3', amount: '4.50' } }]);
    await before.patients({ insert: ['3', '4'] });
    await before.payments([{ externalId: 'b', after: { patientId: '3', amount: '-1.25' } }]);

    expect(await byTotal()).toEqual([
      ['3', '3.25', 2],
      ['1', '0.00', 0],
      ['2', '0.00', 0],
      ['4', '0.00', 0],
    ]);
    await expectConsistency();
  });

  it('adds to totals that this version has moved meanwhile, of which its own columns know nothing', async () => {
    await from.mirror('/payments?mode=partial', [{ externalId: 'a', patientId: '1', amount: '10.00' }]);
    await before.payments([{ externalId: 'b', after: { patientId: '1', amount: '1.00' } }]);
    await from.mirror('/payments?mode=partial', [{ externalId: 'a', patientId: '2', amount: '10.00' }]);
    await before.payments([
      { externalId: 'b', before: { patientId: '1', amount: '1.00' }, after: { patientId: '1', amount: '2.00' } },
      { externalId: 'a', before: { patientId: '2', amount: '10.00' } },
    ]);

    expect(await byTotal()).toEqual([
      ['1', '2.00', 1],
      ['2', '0.00', 0],
    ]);
    await expectConsistency();
  });

  it('deletes patients that this version restores, and the other way round', async () => {
    await from.mirror('/payments', [{ externalId: 'a', patientId: '1', amount: '7.00' }]);

    await before.patients({ delete: ['1', '2'] });
    expect(await byTotal()).toEqual([]);
    await from.mirror('/patients?mode=partial', [aPatient('1')]);
    expect(await byTotal()).toEqual([['1', '7.00', 1]]);
    await from.mirror('/patients?deletes=apply', [aPatient('9')]);
    await before.patients({ restore: ['1', '2'] });

    expect(await byTotal()).toEqual([
      ['1', '7.00', 1],
      ['2', '0.00', 0],
      ['9', '0.00', 0],
    ]);
    await expectConsistency();
  });

  it('logs totals as they are, so that pages go on where they were', async () => {
    const ids = ['1', '2', '3', '4'];
    await from.mirror('/patients', ids.map(aPatient));
    await from.mirror(
      '/payments',
      ids.map((id) => ({ externalId: id, patientId: id, amount: `${id}0.00` })),
    );
    const first = await from.get('/patients?sort=-paymentsTotal&limit=2');

    await before.payments([
      { externalId: '1', before: { patientId: '1', amount: '10.00' }, after: { patientId: '1', amount: '90.00' } },
      { externalId: '4', before: { patientId: '4', amount: '40.00' } },
    ]);

    const second = await from.get(`/patients?sort=-paymentsTotal&limit=3&cursor=${first.nextCursor}`);
    const idsOf = ({ items }: any) => items.map(({ externalId }: any) => externalId);
    expect([idsOf(first), idsOf(second)]).toEqual([
      ['4', '3'],
      ['2', '1'],
    ]);
  });

  it(`works in turns with this one, whatever both do (SAMPLE_SEED=${SEED})`, async () => {
    const random = new Random(SEED);
    const live = new Set(['1', '2']);
    const gone = new Set<string>();
    const payments = new Map<string, Payment>();
    const someOf = (ids: Iterable<string>) => [...ids].filter(() => random.chance(40));

    for (let step = 0; step < STEPS; step++) {
      const isOld = random.chance(50);
      if (random.chance(50)) {
        const insert = ['1', '2', '3', '4', '5', '6'].filter(
          (id) => !live.has(id) && !gone.has(id) && random.chance(40),
        );
        const changes = { insert, update: someOf(live), restore: someOf(gone), delete: [] as string[] };
        changes.delete = someOf(live).filter((id) => !changes.update.includes(id));
        for (const id of [...insert, ...changes.restore]) live.add(id);
        for (const id of changes.restore) gone.delete(id);
        for (const id of changes.delete) gone.add(id);
        for (const id of changes.delete) live.delete(id);
        if (isOld) await before.patients(changes);
        else await from.mirror('/patients?deletes=apply', [...live].map(aPatient));
      } else {
        const old = new Map(payments);
        changePayments(payments, random);
        // The statements of the version before bring payments that were never there; those that are back are this version's.
        const known = await server.query(
          'select external_id from payment where source_id = (select id from source where name = $1) and deleted_at is not null',
          [from.source],
        );
        const isBack = [...payments.keys()].some((id) => known.some((row) => row.external_id === id));
        const changed = [...new Set([...old.keys(), ...payments.keys()])].flatMap((id): PaymentChange[] => {
          const [was, is] = [old.get(id), payments.get(id)];
          return was === is ? [] : [{ externalId: id, ...(was && { before: was }), ...(is && { after: is }) }];
        });
        if (isOld && !isBack) await before.payments(changed);
        else await from.mirror('/payments?deletes=apply', [...payments.values()]);
      }
      const totals = [...live].map((id): [string, bigint, number] => {
        const own = [...payments.values()].filter(({ patientId }) => patientId === id);
        return [id, own.reduce((sum, { amount }) => sum + cents(amount), 0n), own.length];
      });
      totals.sort(([one, a], [other, b]) => (a === b ? Number(one) - Number(other) : a > b ? -1 : 1));
      const shown = (await byTotal()).map(([id, total, count]) => [id, cents(total), count]);
      expect({ step, shown }).toEqual({ step, shown: totals });
    }
    await expectConsistency();
  }, 120_000);
});

/** Some are added, some get another patient and amount, some go. */
function changePayments(payments: Map<string, Payment>, random: Random): void {
  for (const id of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].filter(() => random.chance(40))) {
    const amount = `${random.below(2_000) - 1_000}.${10 + random.below(90)}`;
    if (payments.has(id) && random.chance(40)) payments.delete(id);
    else payments.set(id, { externalId: id, patientId: String(1 + random.below(7)), amount });
  }
}

function cents(amount: string): bigint {
  return BigInt(amount.replace('.', ''));
}
