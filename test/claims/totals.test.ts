import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MikroORM } from '@mikro-orm/postgresql';
import { claimPageStatement } from '../../src/claims/claim-page.js';
import { TOP_PROVIDERS } from '../../src/claims/provider-totals.js';
import { rebuildTotals, verifyTotals } from '../../src/claims/totals-check.js';
import { Sources } from '../../src/sync/sources/sources.js';
import { withinSource } from '../../src/database/source-isolation.js';
import { type Outcome, runCli } from '../setup/command-line.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { aLine, Biller } from './biller.js';

const NPIS = ['1234567893', '1245319599', '0000000001', '9999999999', '1000000004'];

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ ROLE: 'api', TOP_PROVIDERS_PER_MINUTE: 1000 });
});

afterAll(() => server.close());

function command(...words: string[]): Promise<Outcome> {
  return runCli(['claims', ...words], { DATABASE_URL: server.databaseUrl });
}

/** Claims on few providers in varying order, so that concurrent ones contend for the same totals. */
function someClaims(count: number): Record<string, unknown>[][] {
  return Array.from({ length: count }, (_, claim) =>
    Array.from({ length: 1 + ((claim * 7) % 5) }, (_line, line) =>
      aLine({
        provider_npi: NPIS[(claim * 3 + line * (1 + (claim % 4))) % NPIS.length],
        provider_fees: `${(claim * 37 + line * 11) % 400}.${String((claim * 13 + line) % 100).padStart(2, '0')}`,
      }),
    ),
  );
}

/** The expected totals, computed in whole cents. */
function modelOf(claims: Record<string, unknown>[][]) {
  const totals = new Map<string, { cents: number; claims: number }>();
  for (const lines of claims) {
    for (const npi of new Set(lines.map((line) => String(line['provider_npi'])))) {
      const own = lines.filter((line) => line['provider_npi'] === npi);
      const cents = own.reduce((sum, line) => sum + Math.round(Number(line['provider_fees']) * 100) - 4500, 0);
      const before = totals.get(npi) ?? { cents: 0, claims: 0 };
      totals.set(npi, { cents: before.cents + cents, claims: before.claims + 1 });
    }
  }
  return [...totals]
    .toSorted(([npi, one], [otherNpi, other]) => other.cents - one.cents || (npi < otherNpi ? -1 : 1))
    .map(([providerNpi, { cents, claims: count }]) => ({
      providerNpi,
      netFee: (cents / 100).toFixed(2),
      claims: count,
    }));
}

describe('the totals of providers', () => {
  it('equal those of a model, although many claims on the same providers are stored concurrently', async () => {
    const biller = new Biller(server);
    const claims = someClaims(120);
    const waiting = [...claims];

    const send = async () => {
      for (let claim = waiting.pop(); claim !== undefined; claim = waiting.pop()) await biller.submit(claim);
    };
    await Promise.all(Array.from({ length: 12 }, send));

    expect(await biller.top()).toEqual(modelOf(claims));
    expect(await biller.top(2)).toEqual(modelOf(claims).slice(0, 2));
    expect(await verifyTotals(server.databaseUrl, biller.source)).toEqual({
      providers: NPIS.length,
      different: 0,
      differences: [],
    });
  });

  it('with the same net fee are in the order of the NPIs', async () => {
    const biller = new Biller(server);
    for (const npi of NPIS) await biller.submit(aLine({ provider_npi: npi }));

    expect((await biller.top()).map(({ providerNpi }) => providerNpi)).toEqual(NPIS.toSorted());
  });

  it('that are wrong are found and corrected, for one source or all', async () => {
    const [one, other] = [new Biller(server), new Biller(server)];
    for (const biller of [one, other]) await biller.submit(NPIS.map((npi) => aLine({ provider_npi: npi })));
    await server.query(
      `update provider_total set net_fee = net_fee + 0.01 where provider_npi = $1 and source_id in (select id from source where name = any($2))`,
      [NPIS[0], [one.source, other.source]],
    );
    await server.query(
      `with of as (select id from source where name = $1),
            moved as (update provider_total set provider_npi = '5555555555' where provider_npi = $2 and source_id in (select id from of))
       update provider_total set claims = 7 where provider_npi = $3 and source_id in (select id from of)`,
      [one.source, NPIS[1], NPIS[2]],
    );
    const wrong = { source: one.source, kept: { netFee: '55.00', claims: 1 }, counted: { netFee: '55.00', claims: 1 } };
    const differences = [
      { ...wrong, providerNpi: NPIS[2], kept: { netFee: '55.00', claims: 7 } },
      { ...wrong, providerNpi: NPIS[0], kept: { netFee: '55.01', claims: 1 } },
      { ...wrong, providerNpi: NPIS[1], kept: null },
      { ...wrong, providerNpi: '5555555555', counted: null },
    ];

    const found = { providers: 6, different: 4, differences };
    expect(await verifyTotals(server.databaseUrl, one.source)).toEqual(found);
    expect(await verifyTotals(server.databaseUrl, null)).toMatchObject({ different: 5 });
    expect(await rebuildTotals(server.databaseUrl, one.source)).toEqual(found);

    expect(await verifyTotals(server.databaseUrl, null)).toMatchObject({ different: 1 });
    expect(await rebuildTotals(server.databaseUrl, null)).toMatchObject({ different: 1 });
    expect(await verifyTotals(server.databaseUrl, null)).toMatchObject({ different: 0 });
    expect((await one.top()).map(({ netFee, claims }) => [netFee, claims])).toEqual(NPIS.map(() => ['55.00', 1]));
  });

  it('are compared and corrected by command', async () => {
    const biller = new Biller(server);
    await biller.submit(aLine());
    const of = ['--source', biller.source];
    await server.query(
      `update provider_total set claims = 2 where source_id = (select id from source where name = $1)`,
      [biller.source],
    );

    const found = `✗ 1 of 1 totals are not what their lines say.\n  ${biller.source} 1234567893: kept 55.00 of 2 claims, counted 55.00 of 1 claims\n`;
    expect(await command('verify', ...of)).toEqual({ code: 1, stdout: found, stderr: '' });
    expect(await command('rebuild', ...of)).toEqual({ code: 0, stdout: `${found}They are right now.\n`, stderr: '' });
    expect(await command('verify', ...of)).toEqual({
      code: 0,
      stdout: '✓ The totals of 1 providers are what their lines say.\n',
      stderr: '',
    });
  });

  it('stay correct while they are corrected and claims are stored', async () => {
    const biller = new Biller(server);
    const claims = someClaims(40);
    const breakIt = () =>
      server.query(
        // Only one row: several of them, in another order than that of the NPIs, could deadlock with a claim.
        `update provider_total set net_fee = net_fee + 5
          where source_id = (select id from source where name = $1) and provider_npi = $2`,
        [biller.source, NPIS[0]],
      );

    const sent = Promise.all(claims.map((claim) => biller.submit(claim)));
    for (let round = 0; round < 5; round += 1) {
      await breakIt();
      await rebuildTotals(server.databaseUrl, biller.source);
    }
    await sent;

    await rebuildTotals(server.databaseUrl, biller.source);
    expect(await biller.top()).toEqual(modelOf(claims));
  });
});

describe('with row-level security', () => {
  const THOUSANDS = 30;

  it('every page is read along an index, however many other rows there are', async () => {
    const biller = new Biller(server);
    await biller.submit(aLine());
    const sourceId = await server.app.get(Sources).find(biller.source);
    await server.query(
      `with claim as (
         insert into claim (source_id, id, content, net_fee, line_count)
         select $1, gen_random_uuid(), '', 0, 0 from generate_series(1, ${THOUSANDS} * 1000) returning id
       ), providers as (
         insert into claim_provider select $1, '1234567893', id from claim
       )
       insert into payment_notification (source_id, claim_id, net_fee, status, relayed_at)
       select $1, id, 0, 'settled', now() from claim`,
      [sourceId],
    );
    await server.query(
      `insert into provider_total select $1, (1000000000 + n)::text, (n * 7919 % 100000) / 100.0, 1
         from generate_series(1, ${THOUSANDS} * 1000) n`,
      [sourceId],
    );
    await server.query('analyze claim, claim_provider, payment_notification, provider_total');
    const { em } = server.app.get(MikroORM);

    const read = (sql: string, values: unknown[]): Promise<number> =>
      withinSource(sourceId, async () => {
        const [row]: any[] = await em.fork().execute(`explain (analyze, format json) ${sql}`, values);
        return rowsRead(row['QUERY PLAN'][0].Plan);
      });

    expect(await read(TOP_PROVIDERS, [sourceId, 10])).toBeLessThan(50);
    const ofProvider = { providerNpi: NPIS[0] };
    const settled = { paymentStatus: 'settled' as const };
    for (const filter of [{}, ofProvider, settled, { ...ofProvider, ...settled }]) {
      for (const after of [undefined, '80000000-0000-4000-8000-000000000000']) {
        const page = { sourceId, providerNpi: undefined, paymentStatus: undefined, ...filter, after, rows: 51 };
        const { sql, values } = claimPageStatement('c.id, n.status', page);
        const rows = await read(sql, values);
        expect({ filter, after, rows: rows < 1000 ? 'few' : rows }).toEqual({ filter, after, rows: 'few' });
      }
    }
  });
});

/** The rows that all nodes of a plan have read, including those that they filtered out. */
function rowsRead(plan: any): number {
  const own = (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops'];
  return own + (plan.Plans ?? []).reduce((sum: number, part: any) => sum + rowsRead(part), 0);
}
