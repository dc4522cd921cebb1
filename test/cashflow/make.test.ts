import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isValidIBAN } from 'ibantools';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import pg from 'pg';
import { makeData } from '../../src/cashflow/maker/make-data.js';
import type { Destination } from '../../src/cashflow/maker/output.js';
import { SchemaDestination } from '../../src/cashflow/maker/schema-destination.js';
import { SIZES } from '../../src/cashflow/maker/sizes.js';
import { runCli, runProcess } from '../setup/command-line.js';
import { IS_EXHAUSTIVE } from '../setup/exhaustive.js';
import { createEmptyDatabase, until } from '../setup/test-server.js';
import {
  computeTruth,
  findDirty,
  makeInto,
  readCompanies,
  readCsv,
  readRates,
  readTransactions,
  type Row,
} from './made-data.js';

/** Folders with other seeds: one for comparisons, and that of the page. */
const OTHERS = { other: 2, page: 42 };

let root: string;
let folder: string;
let companies: ReturnType<typeof readCompanies>;
let transactions: Record<'sepa' | 'swift', Row[]>;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'counterpart-make-'));
  folder = join(root, 'small');
  await makeInto(folder, 1);
  for (const [name, seed] of Object.entries(OTHERS)) await makeInto(join(root, name), seed);
  companies = readCompanies(folder);
  transactions = { sepa: readTransactions(folder, 'sepa'), swift: readTransactions(folder, 'swift') };
});

afterAll(() => rmSync(root, { recursive: true }));

const contentsOf = (path: string) =>
  Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name), 'utf8')]));

describe('the made data', () => {
  it('are the same to the byte for the same seed, and others for another', async () => {
    const [same, other] = [join(root, 'same'), join(root, 'other')];
    await makeInto(same, 1);

    expect(contentsOf(same)).toEqual(contentsOf(folder));
    const [ours, theirs] = [contentsOf(folder), contentsOf(other)];
    expect(Object.keys(theirs)).toEqual(Object.keys(ours));
    expect(Object.keys(ours).filter((name) => ours[name] === theirs[name])).toEqual([]);
  });

  it('say in the manifest what there is', () => {
    const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));

    expect(manifest).toMatchObject({ size: 'small', seed: 1, flat: false, from: '2018-01-01', to: '2022-01-01' });
    expect(manifest.rows).toMatchObject({ companies: 100, sepa: 1000, swift: 10_000 });
    expect(manifest.files.map(({ name }: { name: string }) => name).toSorted()).toEqual(
      readdirSync(folder)
        .filter((name) => name !== 'manifest.json')
        .toSorted(),
    );
    for (const { name, bytes, sha256 } of manifest.files) {
      const contents = readFileSync(join(folder, name));
      expect([contents.length, createHash('sha256').update(contents).digest('hex')]).toEqual([bytes, sha256]);
    }
  });

  it('have the promised numbers of companies, transactions and dirty rows', () => {
    expect(companies.map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, place) => String(place + 1)));
    expect([transactions.sepa.length, transactions.swift.length]).toEqual([1000, 10_000]);
    const count = (rows: Row[], kind: string) =>
      [...findDirty(rows).values()].filter((kinds) => kinds.includes(kind)).length;
    expect(['batch', 'duplicate', 'invalid_iban', 'no_currency'].map((kind) => count(transactions.sepa, kind))).toEqual(
      [10, 1, 0, 0],
    );
    expect(
      ['batch', 'duplicate', 'invalid_iban', 'no_currency'].map((kind) => count(transactions.swift, kind)),
    ).toEqual([100, 10, 100, 10]);
  });

  it('are sorted by time, then by id, within the four years', () => {
    for (const rows of Object.values(transactions)) {
      const keys = rows.map(({ timestamp, id }) => `${timestamp} ${id}`);
      expect(keys).toEqual(keys.toSorted());
      expect(rows.every(({ timestamp }) => /^20(18|19|20|21)-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(timestamp))).toBe(
        true,
      );
      expect(
        rows.every(({ timestamp }) => new Date(timestamp).toISOString().slice(0, 23) === timestamp.slice(0, 23)),
      ).toBe(true);
    }
  });

  it('have transactions of both kinds in each five days, whatever the seed', () => {
    for (const made of ['small', ...Object.keys(OTHERS)].map((name) => join(root, name))) {
      for (const name of ['sepa', 'swift'] as const) {
        const windows = readTransactions(made, name).map(({ timestamp }) =>
          Math.floor((Date.parse(timestamp) - Date.UTC(2018, 0, 1)) / (5 * 86_400_000)),
        );
        expect(new Set(windows.filter((window) => window < 292)).size).toBe(292);
      }
    }
  });

  it('have good IBANs everywhere but where they are invalid on purpose', () => {
    const accounts = companies.flatMap(({ ibans }) => ibans);
    expect(accounts.filter((iban) => !isValidIBAN(iban))).toEqual([]);
    expect(new Set(accounts).size).toBe(accounts.length);
    expect(companies.filter(({ ibans }) => ibans.length > 1).length).toBeGreaterThan(50);
    const rows = [...transactions.sepa, ...transactions.swift];
    const dirty = findDirty(rows);
    const good = rows
      .filter((row) => !dirty.get(row)?.includes('invalid_iban'))
      .flatMap(({ payer, beneficiary }) => [payer, beneficiary]);
    expect([...new Set(good)].filter((iban) => !isValidIBAN(iban) || !hasCheckDigits(iban))).toEqual([]);
    expect(new Set(good.map((iban) => iban.slice(0, 2))).size).toBeGreaterThan(40);
    // Kosovo's have check digits, and a structure that libraries know.
    const bad = rows
      .filter((row) => dirty.get(row)?.includes('invalid_iban'))
      .flatMap(({ payer, beneficiary }) => [payer, beneficiary]);
    expect(bad.some((iban) => iban.startsWith('XK') && isValidIBAN(iban))).toBe(true);
  });

  it('have SEPA transactions in euros between companies, and SWIFT transactions in many currencies with parties unknown', () => {
    const owners = new Map(companies.flatMap(({ id, ibans }) => ibans.map((iban) => [iban, id])));
    const known = ({ payer, beneficiary }: Row) => [payer, beneficiary].filter((iban) => owners.has(iban)).length;
    expect(
      transactions.sepa.every((row) => row.currency === 'EUR' && known(row) === 2 && row.payer !== row.beneficiary),
    ).toBe(true);
    expect(new Set(transactions.swift.map(({ currency }) => currency)).size).toBeGreaterThan(20);
    const knownInSwift = [0, 1, 2].map((sides) => transactions.swift.filter((row) => known(row) === sides).length);
    expect(Math.min(...knownInSwift)).toBeGreaterThan(100);
    const within = [...transactions.sepa, ...transactions.swift].filter(
      ({ payer, beneficiary }) => owners.has(payer) && owners.get(payer) === owners.get(beneficiary),
    );
    expect(within.length).toBeGreaterThan(50);
  });

  it('list exactly the dirty rows that an independent reading finds', () => {
    const found = (['sepa', 'swift'] as const).flatMap((resource) =>
      [...findDirty(transactions[resource])].map(([row, kinds]) => ({
        resource,
        id: row.id,
        payerIban: row.payer,
        beneficiaryIban: row.beneficiary,
        amount: row.amount,
        currency: row.currency ?? '',
        timestamp: row.timestamp,
        kinds: kinds.join('|'),
      })),
    );
    const text = (row: object) => JSON.stringify(row);

    expect(readCsv(folder, 'dirty.csv').map(text).toSorted()).toEqual(found.map(text).toSorted());
    // Some rows have two faults.
    expect(found.filter(({ kinds }) => kinds.includes('|')).length).toBeGreaterThan(0);
  });

  it('have rates that can be turned round, each consistent with the others', () => {
    const rates = readRates(folder);
    expect(rates.get('EUR')?.eur).toBe('1');
    expect(rates.get('USD')?.usd).toBe('1');
    for (const { eur, usd } of rates.values()) {
      expect(Number(usd) / Number(eur) / Number(rates.get('EUR')?.usd)).toBeCloseTo(1, 1);
      // A number of no more than ten digits after the point times its reciprocal of as many is 1.
      expect(Number((1 / Number(eur)).toFixed(10)) * Number(eur)).toBe(1);
    }
  });

  it('come with the balances that a slow and independent computation finds', () => {
    const truth = readCsv(folder, 'truth.csv').map((line) => Object.values(line).join());

    expect(truth).toHaveLength(100 * 16);
    expect(truth).toEqual(computeTruth(folder));
  });

  it('have the recurring flows that are listed', () => {
    const own = new Map(companies.map(({ id, ibans }) => [id, new Set(ibans)]));
    const flows = readCsv(folder, 'recurring.csv');
    expect(new Set(flows.map(({ period }) => period))).toEqual(new Set(['week', 'month', 'quarter']));
    for (const { companyId = '', counterparty, direction, period = '', amount, currency, first, last } of flows) {
      const accounts = own.get(companyId) as Set<string>;
      const isNear = (value: string) => Math.abs(Number(value) / Number(amount) - 1) <= 0.04;
      const days = [...transactions.sepa, ...transactions.swift]
        .filter((row) =>
          direction === 'in'
            ? accounts.has(row.beneficiary) && row.payer === counterparty
            : accounts.has(row.payer) && row.beneficiary === counterparty,
        )
        .filter((row) => row.currency === currency && isNear(row.amount))
        .map(({ timestamp }) => timestamp.slice(0, 10))
        .filter((date) => date >= (first ?? '') && date <= (last ?? ''))
        .toSorted();
      expect([days[0], days.at(-1)]).toEqual([first, last]);
      const [least, most, length] = { week: [5, 9, 7], month: [24, 36, 30.4], quarter: [80, 102, 91.3] }[period] as [
        number,
        number,
        number,
      ];
      const gaps = days.slice(1).map((day, place) => (Date.parse(day) - Date.parse(days[place] ?? '')) / 86_400_000);
      // Now and then a payment is missing.
      const regular = gaps.filter((gap) => gap >= least && gap <= most).length;
      expect(regular / gaps.length).toBeGreaterThan(0.7);
      expect(days.length).toBeGreaterThan(
        ((Date.parse(last ?? '') - Date.parse(first ?? '')) / 86_400_000 / length) * 0.8,
      );
    }
  });

  it('have no recurring flows if they are flat', async () => {
    const flat = join(root, 'flat');
    const rows = await makeInto(flat, 1, { isFlat: true });

    expect(rows).toMatchObject({ sepa: 1000, swift: 10_000, recurring: 0 });
    expect(readCsv(flat, 'recurring.csv')).toEqual([]);
    expect(readCsv(flat, 'truth.csv').map((line) => Object.values(line).join())).toEqual(computeTruth(flat));
  });

  it('meet all shares exactly for any number of rows', async () => {
    for (const amounts of [
      { companies: 2, sepa: 500, swift: 3_333 },
      { companies: 37, sepa: 2_500, swift: 1_501 },
    ]) {
      const made = join(root, `amounts-${amounts.companies}`);
      await makeInto(made, 5, { amounts });
      for (const name of ['sepa', 'swift'] as const) {
        const rows = readTransactions(made, name);
        expect(rows).toHaveLength(amounts[name]);
        const kinds = [...findDirty(rows).values()].flat();
        const shareOf = (kind: string) => kinds.filter((each) => each === kind).length;
        expect(shareOf('batch')).toBe(Math.round(amounts[name] / 100));
        expect(shareOf('duplicate')).toBe(Math.round(amounts[name] / 1000));
        expect(shareOf('invalid_iban')).toBe(name === 'swift' ? Math.round(amounts[name] / 100) : 0);
      }
    }
  });
});

it('the page on made data shows what is really made', () => {
  const page = readFileSync('docs/cashflow.md', 'utf8');
  const made = join(root, 'page');
  const { rows } = JSON.parse(readFileSync(join(made, 'manifest.json'), 'utf8'));

  const [[header, first]] = [readFileSync(join(made, 'truth.csv'), 'utf8').split('\n')];
  expect(page).toContain(`truth.csv\n${header}\n${first}\n`);
  expect(page).toContain(`100 companies, 1000 SEPA and 10000 SWIFT transactions, ${rows.dirty} of them dirty.`);
  const { id, payer, beneficiary, amount, timestamp } = readTransactions(made, 'sepa')[0] as Row;
  for (const value of [id, payer, beneficiary, `"amount":${amount},`, timestamp]) expect(page).toContain(value);
});

describe('cashflow make', () => {
  it('makes files, says what they are, and replaces its own but nothing else', async () => {
    const out = join(root, 'cli');
    const first = await runCli(['cashflow', 'make', '--size', 'small', '--seed', '1', '--out', out], {});
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toContain('100 companies, 1000 SEPA and 10000 SWIFT transactions');
    expect(contentsOf(out)).toEqual(contentsOf(folder));

    const packed = await runCli(
      ['cashflow', 'make', '--size', 'small', '--seed', '1', '--out', out, '--format', 'csv', '--zstd'],
      {},
    );
    expect(packed).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(out).toSorted()).toEqual(
      [
        'companies.csv.zst',
        'rates.csv.zst',
        'sepa.csv.zst',
        'swift.csv.zst',
        'dirty.csv',
        'recurring.csv',
        'truth.csv',
        'manifest.json',
      ].toSorted(),
    );
    const [header, ...lines] = zstdDecompressSync(readFileSync(join(out, 'swift.csv.zst')))
      .toString()
      .trimEnd()
      .split('\n');
    expect(header).toBe('id,payer_iban,beneficiary_iban,amount,currency,timestamp');
    expect(lines).toEqual(
      transactions.swift.map((row) =>
        Object.values(row)
          .map((cell) => cell ?? '')
          .join(),
      ),
    );
    expect(readFileSync(join(out, 'truth.csv'))).toEqual(readFileSync(join(folder, 'truth.csv')));

    writeFileSync(join(out, 'letter.txt'), 'mine');
    const refused = await runCli(['cashflow', 'make', '--size', 'small', '--out', out], {});
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('holds something else, such as letter.txt'),
    });
    expect(readdirSync(out)).toContain('sepa.csv.zst');
  });

  it('fills tables of a database', async () => {
    const url = await createEmptyDatabase();
    const make = () =>
      runCli(['cashflow', 'make', '--size', 'small', '--seed', '1', '--database', url, '--schema', 'bank'], {});
    expect(await make()).toMatchObject({ code: 0, stderr: '' });
    expect(await make()).toMatchObject({ code: 1, stderr: expect.stringContaining('The schema bank exists.') });

    const client = new pg.Client(url);
    await client.connect();
    try {
      const { rows } =
        await client.query(`select id, payer_iban payer, beneficiary_iban beneficiary, amount::text, currency,
        to_char(timestamp at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') "timestamp" from bank.swift order by 6, 1, 4`);
      expect(rows).toEqual(
        transactions.swift.toSorted((a, b) =>
          a.timestamp === b.timestamp && a.id === b.id ? (a.amount < b.amount ? -1 : 1) : 0,
        ),
      );
      const counts =
        await client.query(`select (select count(*)::int from bank.companies where jsonb_typeof(ibans) = 'array') companies,
        (select count(*)::int from bank.truth) truth, (select count(*)::int from bank.dirty) dirty`);
      expect(counts.rows).toEqual([{ companies: 100, truth: 1600, dirty: readCsv(folder, 'dirty.csv').length }]);
    } finally {
      await client.end();
    }
  });

  it('fails if the database goes away meanwhile, and removes what it has made', async () => {
    const url = await createEmptyDatabase();
    const destination = await SchemaDestination.create(url, 'bank');
    const client = new pg.Client(url);
    await client.connect();
    const terminateCopy = async () => {
      const { rowCount } = await client.query(`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and query like 'copy bank.swift %'`);
      return rowCount === 1;
    };
    const losing: Destination = {
      format: destination.format,
      open: async (name) => {
        const output = await destination.open(name);
        if (name === 'truth') await until('the copy of swift ends', terminateCopy);
        return output;
      },
    };
    try {
      await expect(makeData({ amounts: SIZES.small, seed: 1, isFlat: true }, losing)).rejects.toThrow(
        /terminat|EPIPE|ECONNRESET/,
      );
      await destination.drop();
      const { rows } = await client.query(`select count(*)::int from pg_namespace where nspname = 'bank'`);
      expect(rows).toEqual([{ count: 0 }]);
    } finally {
      await destination.close();
      await client.end();
    }
  });

  it.each([
    ['--size', 'huge'],
    ['--size', 'small', '--seed', '-1'],
    ['--size', 'small', '--seed', '9007199254740993'],
    ['--size', 'small', '--schema', 'a"b'],
  ])('refuses %s %s %s %s', async (...parameters) => {
    const { code, stderr } = await runCli(['cashflow', 'make', ...parameters.filter(Boolean)], {});

    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: option /);
  });

  (IS_EXHAUSTIVE ? it : it.skip)(
    'takes less than 300 MB for eleven million rows',
    async () => {
      const report = `data:text/javascript,process.on('exit',()=>console.error('peak',process.resourceUsage().maxRSS))`;
      const out = join(root, 'large');
      const parameters = ['cashflow', 'make', '--size', 'large', '--out', out, '--json'];
      const { code, stdout, stderr } = await runProcess(parameters, {
        // As `npm run cli` runs it.
        NODE_OPTIONS: `--max-semi-space-size=8 --import=${report}`,
      });
      rmSync(out, { recursive: true, force: true });

      expect(code).toBe(0);
      expect(JSON.parse(stdout).rows).toMatchObject({ sepa: 1_000_000, swift: 10_000_000 });
      expect(Number(/peak (\d+)/.exec(stderr)?.[1]) / 1024).toBeLessThan(300);
    },
    900_000,
  );
});

/** ISO 7064, MOD 97-10, computed with one big number. */
function hasCheckDigits(iban: string): boolean {
  const digits = Array.from(iban.slice(4) + iban.slice(0, 4), (character) => Number.parseInt(character, 36)).join('');
  return BigInt(digits) % 97n === 1n;
}
