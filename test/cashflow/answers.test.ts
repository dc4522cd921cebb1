import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifyCashflow } from '../../src/cashflow/verify-cashflow.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { computeTruth, findDirty, makeInto, readCompanies, readCsv, readTransactions, type Row } from './made-data.js';
import { companyRecords, mirrorAll, mirrorMonth, mirrorRates, mirrorTransactions, toRecord } from './mirror-made.js';

let folder: string;
let server: TestServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'counterpart-cashflow-'));
  await makeInto(folder, 7);
  server = await startTestServer({});
  // Half of the accounts have an owner only after their transactions have come.
  const companies = companyRecords(folder);
  await mirrorAll(server, '/companies', companies.slice(0, 50));
  await mirrorRates(server, folder);
  await mirrorTransactions(server, folder, 'sepa');
  await mirrorTransactions(server, folder, 'swift');
  await mirrorAll(server, '/companies', companies);
}, 300_000);

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

async function expectVerified(): Promise<void> {
  expect((await verifyCashflow(server.databaseUrl, null)).faults).toEqual([]);
}

interface AllLine {
  companyId: string;
  period: string;
  opening: string;
  credits: string;
  debits: string;
  closing: string;
}

async function allBalances(query: string): Promise<AllLine[]> {
  const text = await (await server.fetch(`/cashflow/balances?${query}`)).text();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as AllLine);
}

describe('the balances of made data', () => {
  it('agree with the truth to the cent, of all companies at once', async () => {
    const truth = computeTruth(folder).map((line) => line.split(','));
    const expected = (place: number) => new Map(truth.map((cells) => [`${cells[0]} ${cells[1]}`, cells[place]]));
    for (const [currency, place] of [
      ['EUR', 2],
      ['USD', 3],
    ] as const) {
      const range = 'from=2018-01-01&to=2022-01-01';
      const lines = await allBalances(`interval=quarter&${range}&currency=${currency}`);

      expect(lines).toHaveLength(16 * 100);
      expect(new Map(lines.map(({ companyId, period, closing }) => [`${companyId} ${period}`, closing]))).toEqual(
        expected(place),
      );
    }
  });

  it('are the same by day, week, month and year, and at each end', async () => {
    for (const id of ['1', '42', '100']) {
      const closings = new Map<string, string>();
      for (const interval of ['day', 'week', 'month', 'quarter', 'year']) {
        const { items } = await server.get(
          `/companies/${id}/balances?interval=${interval}&from=2018-01-01&to=2022-01-01`,
        );
        expect(items).toHaveLength({ day: 1461, week: 209, month: 48, quarter: 16, year: 4 }[interval] ?? 0);
        expect(items[0].opening).toBe('0.00');
        expect(items.slice(1).map(({ opening }: any) => opening)).toEqual(
          items.slice(0, -1).map(({ closing }: any) => closing),
        );
        closings.set(interval, items.at(-1).closing);
      }
      const { balance, complete, ratesAsOf } = await server.get(
        `/companies/${id}/balance?at=2021-12-31T23:59:59.999999Z`,
      );
      expect(new Set([...closings.values(), balance])).toEqual(new Set([balance]));
      expect([complete, typeof ratesAsOf]).toEqual([true, 'string']);
    }
  });

  it('follow from the rows that the balance links to', async () => {
    const answer = await server.get('/companies/17/balance?at=2019-08-14T10:00:00Z');
    const rows = await allOf(answer.links.transactions);
    const netOf = (currency: string) =>
      rows
        .filter((row) => row.currency === currency && row.direction !== 'internal')
        .reduce((sum, row) => sum + (row.direction === 'in' ? 1 : -1) * Math.round(Number(row.amount) * 1000), 0);

    expect(rows.length).toBeGreaterThan(10);
    expect(answer.byCurrency.map(({ currency, amount }: any) => [currency, Math.round(Number(amount) * 1000)])).toEqual(
      answer.byCurrency.map(({ currency }: any) => [currency, netOf(currency)]),
    );
    expect(rows.every(({ timestamp }) => timestamp <= '2019-08-14T10:00:00.000Z')).toBe(true);
  });
});

async function allOf(path: string): Promise<any[]> {
  const items: any[] = [];
  for (let next = `${path}&limit=100`, cursor = ''; ;) {
    const page = await server.get(cursor === '' ? next : `${next}&cursor=${cursor}`);
    items.push(...page.items);
    if (page.nextCursor === null) return items;
    cursor = page.nextCursor;
  }
}

describe('dirty transactions', () => {
  it('are counted in the warnings of the job that brings them', async () => {
    const headers = { 'X-Source': 'warned' };
    await server.mirror('/companies', [{ externalId: '1', name: 'Tyrell', ibans: ['DE1'] }], headers);
    const row = { transactionId: '1', payerIban: 'DE1', beneficiaryIban: 'FR1', timestamp: '2018-01-01', amount: 1 };
    const rows = [
      { ...row, currency: 'EUR' },
      { ...row, currency: 'EUR', amount: 2 },
      { ...row, transactionId: '2', currency: 'SGP' },
      { ...row, transactionId: '3', payerIban: 'XK1', currency: 'EUR' },
      { ...row, transactionId: '4', currency: 'EUR' },
      { ...row, transactionId: '4', currency: 'EUR' },
    ];
    const { warnings } = await server.mirror('/swift', rows, headers);
    expect(
      warnings.map(({ code, kind, count }) => (kind === undefined ? { code, count } : { code, kind, count })),
    ).toEqual([
      { code: 'dirty_transactions', kind: 'batch', count: 2 },
      { code: 'dirty_transactions', kind: 'duplicate', count: 1 },
      { code: 'dirty_transactions', kind: 'invalid_iban', count: 1 },
      { code: 'dirty_transactions', kind: 'no_currency', count: 1 },
      { code: 'unknown_accounts', count: 1 },
    ]);

    const again = await server.mirror(
      '/swift?mode=partial',
      [{ ...row, transactionId: '5', currency: 'EUR' }],
      headers,
    );
    expect(again.warnings).toEqual([]);
    const full = await server.mirror('/swift', rows, headers);
    const repeated = await server.mirror('/swift', rows, headers);
    expect([full.warnings, repeated.warnings, repeated.counts.unchanged]).toEqual([[], [], 6]);
  });

  it('are those that the rules find, with their kinds', async () => {
    const expected = (['sepa', 'swift'] as const).flatMap((kind) =>
      [...findDirty(readTransactions(folder, kind))].map(
        ([row, kinds]) => `${kind} ${keyOf(row)} ${kinds.toSorted().join('|')}`,
      ),
    );
    const found = await allOf('/cashflow/dirty?');

    expect(
      found
        .map(
          (row) =>
            `${row.resource} ${row.id} ${row.payerIban} ${row.beneficiaryIban} ${Number(row.amount)} ${row.kinds.toSorted().join('|')}`,
        )
        .toSorted(),
    ).toEqual(expected.toSorted());
    expect(found.every(({ reason }) => reason.length > 10)).toBe(true);
    for (const row of found) expect(row.group === null).toBe(!row.kinds.includes('batch'));
  });
});

function keyOf(row: Row): string {
  return `${row.id} ${row.payer} ${row.beneficiary} ${Number(row.amount)}`;
}

describe('companies', () => {
  it('are listed by what they have', async () => {
    const now = '&at=2026-12-01';
    const balances = new Map<string, string>();
    for (const { id } of readCompanies(folder)) {
      balances.set(id, (await server.get(`/companies/${id}/balance?currency=USD${now}`)).balance);
    }
    const sorted = [...balances].toSorted(([, one], [, other]) => Number(other) - Number(one));
    for (const sort of ['-balance', 'balance', 'name']) {
      const listed = await allOf(`/companies?sort=${sort}&currency=USD`);
      const found = listed.map(({ id, balance }) => [id, balance]);
      if (sort === 'name') {
        const names = listed.map(({ name }) => name);
        expect(names).toEqual(names.toSorted((one, other) => (one < other ? -1 : 1)));
        expect(new Map(found as [string, string][])).toEqual(balances);
      } else expect(found).toEqual(sort === 'balance' ? sorted.toReversed() : sorted);
    }
  });

  it('are found by the start of their name, and shown with what their source says', async () => {
    const [company] = readCompanies(folder);
    const { items, currency } = await server.get(
      `/companies?q=${encodeURIComponent(company?.name.slice(0, 5).toUpperCase() ?? '')}`,
    );
    expect(currency).toBe('EUR');
    expect(items.map(({ id }: any) => id)).toContain(company?.id);
    expect(await server.get(`/companies/${company?.id}`)).toEqual({
      id: company?.id,
      name: company?.name,
      owner: company?.owner,
      address: company?.address,
      ibans: company?.ibans,
      statedBalance: Number(company?.balance).toFixed(2),
      balance: (await server.get(`/companies/${company?.id}/balance`)).balance,
    });
    expect((await server.fetch('/companies/none')).status).toBe(404);
    expect((await server.get(`/companies/${company?.id}/history`)).items[0]).toMatchObject({ operation: 'created' });
  });

  it('have countries whose flows add up to all', async () => {
    const range = 'from=2018-01-01&to=2022-01-01';
    const { items } = await server.get(`/companies/9/countries?${range}`);
    const { items: years } = await server.get(`/companies/9/balances?interval=year&${range}`);
    const sumOf = (rows: any[], name: string) => rows.reduce((sum, row) => sum + Number(row[name]), 0);
    expect(items.length).toBeGreaterThan(3);
    expect(sumOf(items, 'credits')).toBeCloseTo(sumOf(years, 'credits'), 0);
    expect(sumOf(items, 'debits')).toBeCloseTo(sumOf(years, 'debits'), 0);
  });
});

function linesOf(csv: string): Record<string, string>[] {
  return parse(csv, { columns: true });
}

describe('a statement', () => {
  const path = async () => {
    const { accounts } = await server.get('/companies/5/balance');
    return `/companies/5/accounts/${accounts[0].iban}/statement?from=2019-01-01&to=2020-01-01`;
  };

  it('closes in each currency, as CSV with the balance after each entry', async () => {
    const text = await (await server.fetch(await path(), { headers: { Accept: 'text/csv' } })).text();
    const lines = linesOf(text);
    const currencies = Map.groupBy(lines, ({ currency }) => currency);
    expect(lines.length).toBeGreaterThan(20);
    for (const part of currencies.values()) {
      expect(part.at(0)?.['kind']).toBe('opening');
      expect(part.at(-1)).toMatchObject({ kind: 'closing', balance: part.at(-2)?.['balance'] });
      let thousandths = Math.round(Number(part[0]?.['balance']) * 1000);
      for (const { amount, balance } of part.slice(1, -1)) {
        thousandths += Math.round(Number(amount) * 1000);
        expect(Math.round(Number(balance) * 1000)).toBe(thousandths);
      }
    }
  });

  it('is a camt.053 of ISO 20022, with the same entries', async () => {
    const response = await server.fetch(await path());
    expect(response.headers.get('content-type')).toBe('application/xml');
    const xml = await response.text();
    const csv = await (await server.fetch(await path(), { headers: { Accept: 'text/csv' } })).text();
    const entries = linesOf(csv).filter(({ kind }) => kind === 'entry');
    expect(xml).toContain('<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">');
    expect([...xml.matchAll(/<Ntry><NtryRef>([^<]+)</g)].map(([, id]) => id)).toEqual(entries.map(({ id }) => id));
    expect(xml).toMatch(/<Cd>CLBD<[\s\S]{1,200}<DtTm>2019-12-31T23:59:59\.999999Z</);
    expect(xml.match(/<Cd>OPBD</g)).toHaveLength(xml.match(/<Cd>CLBD</g)?.length ?? 0);
  });

  it('is of an account of the company, and of a time', async () => {
    const [own = ''] = (await path()).split('?');
    expect((await server.fetch('/companies/5/accounts/DE00/statement?from=2019-01-01&to=2020-01-01')).status).toBe(404);
    expect((await server.fetch((await path()).replace('/5/', '/6/'))).status).toBe(404);
    for (const query of ['', '?from=2019-01-01', '?from=2020-01-01&to=2019-01-01', '?from=x&to=2019-01-01']) {
      expect((await server.fetch(own + query)).status).toBe(400);
    }
  });
});

describe('a forecast', () => {
  const path = '/companies/1/forecast?days=90&asOf=2021-10-01';
  const forecast = async () => (await server.fetch(path)).text();

  it('begins the day after, with a backtest and what recurs', async () => {
    const answer = JSON.parse(await forecast());
    const { balance } = await server.get('/companies/1/balance?at=2021-10-01');

    expect(answer).toMatchObject({ asOf: '2021-10-01T00:00:00.000Z', level: 80, opening: balance, complete: true });
    expect(answer.items).toHaveLength(90);
    expect([answer.items[0].date, answer.items[89].date]).toEqual(['2021-10-02', '2021-12-30']);
    for (const { low, expected, high } of answer.items) {
      expect(Number(low)).toBeLessThanOrEqual(Number(expected));
      expect(Number(high)).toBeGreaterThanOrEqual(Number(expected));
    }
    expect(answer.backtest.origins).toBeGreaterThan(10);
    expect(answer.backtest.mae).toMatch(/^\d+\.\d\d$/);
    const narrow = await server.get(`${path}&level=50`);
    expect(Number(narrow.items[89].high)).toBeLessThanOrEqual(Number(answer.items[89].high));
  });

  it('finds flows that recur in the data, and few others', async () => {
    const planted = readCsv(folder, 'recurring.csv').filter(
      ({ first = '', last = '' }) => first < '2021-01-01' && last >= '2021-10-01',
    );
    const active = new Set(
      planted.map((row) => [row['companyId'], row['counterparty'], row['direction'], row['period']].join()),
    );
    const found: string[] = [];
    for (const { id } of readCompanies(folder)) {
      const { recurring } = await server.get(`/companies/${id}/forecast?asOf=2021-10-01`);
      found.push(...recurring.map((row: any) => [id, row.counterparty, row.direction, row.period].join()));
    }
    const right = found.filter((flow) => active.has(flow));

    expect(active.size).toBeGreaterThan(10);
    expect(right.length / active.size).toBeGreaterThan(0.85);
    expect(right.length / found.length).toBeGreaterThan(0.85);
  }, 60_000);

  it('is the same to the byte without all that came after', async () => {
    const before = await forecast();
    const rows = readTransactions(folder, 'swift');
    await mirrorAll(server, '/swift?mode=window&deletes=apply&from=2021-10-02&to=2022-01-01', []);
    await mirrorAll(server, '/sepa?mode=window&deletes=apply&from=2021-10-02&to=2022-01-01', []);
    expect(await forecast()).toBe(before);

    for (const kind of ['sepa', 'swift'] as const) {
      const later = (kind === 'swift' ? rows : readTransactions(folder, kind)).filter(
        ({ timestamp }) => timestamp >= '2021-10-02',
      );
      await mirrorAll(server, `/${kind}?mode=window&from=2021-10-02&to=2022-01-01`, later.map(toRecord));
    }
    expect(await forecast()).toBe(before);
  }, 60_000);

  it.each(['days=0', 'days=366', 'level=49', 'level=96', 'level=80.5', 'asOf=soon', 'currency=GBP'])(
    'is refused for %s',
    async (query) => {
      expect((await server.fetch(`/companies/1/forecast?${query}`)).status).toBe(400);
    },
  );
});

describe('a question that makes no sense', () => {
  it.each([
    '/companies?sort=owner',
    '/companies?q=%00',
    '/companies?q=',
    '/companies?currency=GBP',
    '/companies?cursor=x',
    '/companies/5/balance?at=yesterday',
    '/companies/5/balance?at=2018-02-30',
    '/companies/5/balances?interval=hour',
    '/companies/5/balances?interval=day&from=1900-01-01&to=2000-01-01',
    '/companies/5/transactions?from=2018',
    '/companies/5/countries?to=now',
    '/cashflow/dirty?kind=odd',
    '/cashflow/balances?from=2018-13-01',
  ])('is a 400: %s', async (path) => {
    const response = await server.fetch(path);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      400,
      'application/problem+json; charset=utf-8',
    ]);
  });
});

describe('what is derived', () => {
  it('follows from the rows', expectVerified, 60_000);

  it('follows from the rows after months were replaced, emptied and brought back', async () => {
    const months = Map.groupBy(readTransactions(folder, 'swift'), ({ timestamp }) => timestamp.slice(0, 7));
    const may = months.get('2019-05') ?? [];
    await mirrorMonth(
      server,
      'swift',
      '2019-05',
      may.filter((_, place) => place % 3 > 0),
    );
    await expectVerified();
    await mirrorMonth(server, 'swift', '2019-05', []);
    await expectVerified();
    await mirrorMonth(server, 'swift', '2019-05', may);
    await expectVerified();
  }, 60_000);

  it('follows an account that changes hands, and one that nobody owns any more', async () => {
    const before = await server.get('/companies/3/balance?at=2021-12-31');
    const companies = readCompanies(folder);
    const [moved = ''] = companies.find(({ id }) => id === '3')?.ibans ?? [];
    const records = companyRecords(folder).map((record) => {
      const ibans = record['ibans'] as string[];
      if (record['externalId'] === '3') return { ...record, ibans: ibans.filter((iban) => iban !== moved) };
      return record['externalId'] === '4' ? { ...record, ibans: [...ibans, moved] } : record;
    });
    await mirrorAll(server, '/companies', records);
    await expectVerified();
    const after = await server.get('/companies/3/balance?at=2021-12-31');
    expect(after.accounts.map(({ iban }: any) => iban)).not.toContain(moved);
    expect((await server.get('/companies/4/balance?at=2021-12-31')).accounts.map(({ iban }: any) => iban)).toContain(
      moved,
    );

    await mirrorAll(
      server,
      '/companies?deletes=apply',
      companyRecords(folder).filter(({ externalId }) => externalId !== '3'),
    );
    await expectVerified();
    expect((await server.fetch('/companies/3/balance')).status).toBe(404);
    await mirrorAll(server, '/companies', companyRecords(folder));
    await expectVerified();
    expect(await server.get('/companies/3/balance?at=2021-12-31')).toEqual(before);
  }, 60_000);
});
