import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import {
  copyFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Exposer, type ExposeOptions } from '../../src/cashflow/exposer/exposer.js';
import { type Fault, randomFaults } from '../../src/cashflow/exposer/faults.js';
import { runCli, startCommand } from '../setup/command-line.js';
import { until } from '../setup/test-server.js';
import { makeInto, readCompanies, readCsv, readRates, readTransactions, type Row } from './made-data.js';
import { get, type OwnWindow, ownRows, pollGlued, pollOwn, readPages, unglue } from './readers.js';

let folder: string;
const expected = {} as Record<'sepa' | 'swift', Row[]>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'counterpart-expose-'));
  await makeInto(folder, 1);
  for (const name of ['sepa', 'swift'] as const) {
    // Readers get numbers, which have no needless zeros.
    expected[name] = readTransactions(folder, name).map((row) => ({ ...row, amount: String(Number(row.amount)) }));
  }
});

afterAll(() => rmSync(folder, { recursive: true }));

const running: Exposer[] = [];
const failures: Error[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((exposer) => exposer.close()));
  expect(failures.splice(0)).toEqual([]);
});

async function expose(dialect: ExposeOptions['dialect'], faults: Fault[] | (() => Fault | null) = []): Promise<string> {
  const nextFault = typeof faults === 'function' ? faults : () => faults.shift() ?? null;
  const onFailure = (error: Error) => failures.push(error);
  const exposer = await Exposer.start({ folder, dialect, host: '127.0.0.1', port: 0, nextFault, onFailure });
  running.push(exposer);
  return exposer.url;
}

const poll = async (url: string): Promise<OwnWindow> => JSON.parse(await get(url));

describe('the own dialect', () => {
  it('gives all rows in windows of five days, and is empty from then on', async () => {
    const url = await expose('own');
    for (const name of ['sepa', 'swift'] as const) {
      const windows = await pollOwn(`${url}/${name}`);

      expect(windows.flatMap((window) => ownRows(window))).toEqual(expected[name]);
      expect(windows).toHaveLength(293);
      expect(windows[0]).toMatchObject({ from: '2018-01-01', to: '2018-01-06', nextCursor: '2018-01-06' });
      expect(windows.at(-1)).toMatchObject({ from: '2021-12-31', to: '2022-01-01', nextCursor: null });
      for (const [place, { from, to, transactions }] of windows.entries()) {
        expect(from).toBe(windows[place - 1]?.to ?? '2018-01-01');
        expect(transactions.every(({ timestamp }) => timestamp >= from && timestamp < to)).toBe(true);
      }
      for (let time = 0; time < 3; time++) {
        expect(await poll(`${url}/${name}`)).toMatchObject({ transactions: [], nextCursor: null });
      }
    }
  });

  it('repeats what a cursor asks for, and does not move on for that', async () => {
    const url = await expose('own');
    const first = await poll(`${url}/swift`);
    const second = await poll(`${url}/swift?cursor=${first.nextCursor}`);

    expect(second.from).toBe(first.to);
    expect(await poll(`${url}/swift?cursor=${first.nextCursor}`)).toEqual(second);
    expect(await poll(`${url}/swift?cursor=`)).toEqual(first);
    expect(await poll(`${url}/swift`)).toEqual(second);
    expect(await poll(`${url}/swift?cursor=2022-01-01`)).toMatchObject({ transactions: [], nextCursor: null });
    for (const cursor of ['2018-01-02', 'x', '../swift']) {
      expect((await fetch(`${url}/swift?cursor=${cursor}`)).status).toBe(400);
    }
  });

  it('gives companies and rates in one answer each, and a ping', async () => {
    const url = await expose('own');

    expect(JSON.parse(await get(`${url}/ping`))).toEqual({ message: 'pong' });
    expect(JSON.parse(await get(`${url}/company_info`))).toEqual(
      readCompanies(folder).map(({ id, name, owner, ibans }) => ({ id, name, owner, ibans })),
    );
    const rates: { currency: string; usd_rate: number; eur_rate: number }[] = JSON.parse(
      await get(`${url}/exchange_rates`),
    );
    expect(rates.map(({ currency, usd_rate, eur_rate }) => [currency, usd_rate, eur_rate])).toEqual(
      [...readRates(folder)].map(([currency, { usd, eur }]) => [currency, Number(usd), Number(eur)]),
    );
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
    expect((await fetch(`${url}/sepa`, { method: 'POST' })).status).toBe(405);
  });
});

describe('the glued dialect', () => {
  it('gives all rows in documents without anything between them, and falls silent while it still answers a ping', async () => {
    const url = await expose('glued');
    const [sepa, swift] = await Promise.all([pollGlued(`${url}/sepa`), pollGlued(`${url}/swift`)]);

    expect([sepa.rows, swift.rows]).toEqual([expected.sepa, expected.swift]);
    expect([sepa.answers, swift.answers]).toEqual([293, 293]);
    expect(sepa.documents).toBeGreaterThan(293 * 2);
    expect(JSON.parse(await get(`${url}/ping`))).toEqual({ message: 'pong' });
  });

  it('names companies and their IBANs in its own way', async () => {
    const url = await expose('glued');
    const companies = unglue(await get(`${url}/company_info`)).flatMap(({ rows }) => rows);

    expect(companies).toEqual(
      readCompanies(folder).map(({ id, name, address, balance, ibans }) => {
        return { companyID: Number(id), name, address, balance, ibans: `{${ibans.join(',')}}` };
      }),
    );
  });

  it('tells how many units a euro costs, and what a unit is worth in dollars, under exchanged names', async () => {
    const url = await expose('glued');
    const text = await get(`${url}/exchange_rates`);
    const rates = [...text.matchAll(/\{"currency":"([A-Z]{3})","usd_rate":([\d.]+),"eur_rate":([\d.]+)\}/g)];
    const worth = readRates(folder);

    expect(JSON.parse(text)).toHaveLength(worth.size);
    expect(rates.map(([, currency]) => currency)).toEqual([...worth.keys()]);
    for (const [, currency = '', perEuro = '', dollars] of rates) {
      expect(exactProduct(perEuro, worth.get(currency)?.eur ?? '')).toBe(1n);
      expect(dollars).toBe(worth.get(currency)?.usd);
    }
  });
});

/** The product of two decimals that is a whole number. */
function exactProduct(one: string, other: string): bigint {
  const [a, b] = [one, other].map((text) =>
    BigInt(`${text.split('.')[0]}${(text.split('.')[1] ?? '').padEnd(20, '0')}`),
  ) as [bigint, bigint];
  const scale = 10n ** 40n;
  expect((a * b) % scale).toBe(0n);
  return (a * b) / scale;
}

describe('the paged dialect', () => {
  it('gives all rows page by page, and never tears those of one time and id apart', async () => {
    const url = await expose('paged');
    for (const [name, limit, sides] of [
      ['sepa', 7, ['payer', 'receiver']],
      ['swift', 60, ['sender', 'beneficiary']],
    ] as const) {
      const pages = await readPages(`${url}/transactions/${name}`, limit, [...sides]);

      expect(pages.flat()).toEqual(expected[name]);
      expect(pages.slice(0, -1).filter((page) => page.length < limit)).toEqual([]);
      const ids = pages.map((page) => new Set(page.map(({ id }) => id)));
      expect(ids.filter((page, place) => page.has(pages[place + 1]?.[0]?.id ?? ''))).toEqual([]);
    }
  });

  it('gives a batch and both copies of a row as one page, however small', async () => {
    const url = await expose('paged');
    const dirty = readCsv(folder, 'dirty.csv').filter(({ kinds }) => /batch|duplicate/.test(kinds ?? ''));
    for (const { resource, id, timestamp } of dirty.slice(0, 20)) {
      const rows = expected[resource as 'sepa' | 'swift'];
      const before = rows[rows.findIndex((row) => row.id === id) - 1] as Row;
      const query = `limit=1&after-timestamp=${before.timestamp.replace('Z', '+00:00')}&after-uuid=${before.id}`;
      const page: { uuid: string; timestamp: string }[] = JSON.parse(
        await get(`${url}/transactions/${resource}?${query}`),
      );

      expect(page.map(({ uuid }) => uuid)).toEqual(rows.filter((row) => row.id === id).map((row) => row.id));
      expect(page.length).toBeGreaterThan(1);
      expect(page[0]?.timestamp.replace('+00:00', 'Z')).toBe(timestamp);
    }
  });

  it('pages through companies, with their IBANs as a list of Python', async () => {
    const url = await expose('paged');
    const companies = readCompanies(folder).map(({ id, name, address, balance, ibans }) => {
      return { id, name, address, ibans: `['${ibans.join("', '")}']`, balance };
    });
    const page = async (query: string) => JSON.parse(await get(`${url}/companies?${query}`));

    expect(await page('')).toEqual(companies);
    expect(await page('limit=30')).toEqual(companies.slice(0, 30));
    expect(await page('limit=30&after-id=9')).toEqual(companies.slice(9, 39));
    expect(await page('limit=30&after-id=100')).toEqual([]);
    expect(JSON.parse(await get(`${url}/exchange-rates`))).toHaveLength(readRates(folder).size);
  });

  it('begins after an instant, and refuses what it cannot read', async () => {
    const url = await expose('paged');
    const after = (query: string) => fetch(`${url}/transactions/swift?${query}`);
    const answer = await after('limit=10000&after-timestamp=2020-07-01');
    const rows = (await answer.json()) as { uuid: string }[];

    expect(rows.map(({ uuid }) => uuid)).toEqual(
      expected.swift.filter(({ timestamp }) => timestamp > '2020-07-01T00:00:00.000000Z').map(({ id }) => id),
    );
    for (const query of ['limit=0', 'limit=10001', 'limit=x', 'after-timestamp=x', 'after-uuid=x']) {
      expect((await after(query)).status).toBe(400);
    }
    expect((await fetch(`${url}/companies?after-id=x`)).status).toBe(400);
  });
});

describe('faults', () => {
  /** Asks twice, the first time with a fault. @returns what came the first time, or the error, and the second time */
  async function askTwice(fault: Fault): Promise<[OwnWindow | Error, OwnWindow]> {
    const faults: (Fault | null)[] = [null, fault];
    const url = await expose('own', () => faults.shift() ?? null);
    await poll(`${url}/sepa`);
    const first = await get(`${url}/sepa`, 3_000).then(
      (text) => JSON.parse(text) as OwnWindow,
      (error: Error) => error,
    );
    // The server is away for a moment after a restart.
    await until('the server answers', () => get(`${url}/ping`).then(Boolean, () => false));
    return [first, await poll(`${url}/sepa`)];
  }

  it.each(['drop-before', 'hang', 'error'] as const)(
    '%s: no answer, and the same window comes again',
    async (fault) => {
      const [first, second] = await askTwice(fault);

      expect(first).toBeInstanceOf(Error);
      if (fault === 'error') expect(String(first)).toContain('500');
      expect(second.from).toBe('2018-01-06');
    },
  );

  it('drop-after: no answer, and the window is lost to those without a cursor', async () => {
    const [first, second] = await askTwice('drop-after');

    expect(first).toBeInstanceOf(Error);
    expect(second.from).toBe('2018-01-11');
  });

  it('repeat: the same window twice', async () => {
    const [first, second] = await askTwice('repeat');

    expect(second).toEqual(first);
    expect(second.from).toBe('2018-01-06');
  });

  it('restart: no answer, and everything begins again', async () => {
    const [first, second] = await askTwice('restart');

    expect(first).toBeInstanceOf(Error);
    expect(second.from).toBe('2018-01-01');
  });

  it('slow: the answer comes in many small pieces, and is complete', async () => {
    const url = await expose('own', ['slow']);
    const response = await fetch(`${url}/sepa`);
    const pieces: string[] = [];
    const decoder = new TextDecoder();
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) pieces.push(decoder.decode(piece));

    expect(pieces.length).toBeGreaterThan(3);
    expect(JSON.parse(pieces.join(''))).toMatchObject({ from: '2018-01-01', nextCursor: '2018-01-06' });
  });

  it('leave readers with a cursor each row once, and never touch a ping', async () => {
    const url = await expose('own', randomFaults(0.3, 1, ['drop-before', 'drop-after', 'error', 'repeat']));
    const rows: Row[] = [];
    let [cursor, failed] = ['' as string | null, 0];
    while (cursor !== null) {
      const window: OwnWindow | null = await poll(`${url}/sepa?cursor=${cursor}`).catch(() => null);
      if (window === null) {
        failed++;
        continue;
      }
      rows.push(...ownRows(window));
      cursor = window.nextCursor;
    }

    expect(rows).toEqual(expected.sepa);
    expect(failed).toBeGreaterThan(30);
    for (let time = 0; time < 30; time++) expect(await get(`${url}/ping`)).toBe('{"message":"pong"}');
  });

  it('are the same for the same seed, at the rate that is asked for', () => {
    const drawn = (seed: number, rate = 0.1) => {
      const next = randomFaults(rate, seed);
      return Array.from({ length: 5_000 }, () => next());
    };

    expect(drawn(1)).toEqual(drawn(1));
    expect(drawn(1)).not.toEqual(drawn(2));
    expect(drawn(1, 0).every((fault) => fault === null)).toBe(true);
    expect(drawn(1, 1).every((fault) => fault !== null)).toBe(true);
    const faults = drawn(1).filter((fault) => fault !== null);
    expect(faults.length / 5_000).toBeCloseTo(0.1, 1);
    expect(new Set(faults).size).toBe(7);
  });
});

it('answers others while clients do not read or have gone', async () => {
  const url = await expose('paged');
  const { port, hostname } = new URL(url);
  const sockets = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const socket = connect(Number(port), hostname).on('error', () => undefined);
      await once(socket, 'connect');
      socket.pause();
      socket.write('GET /transactions/swift?limit=10000 HTTP/1.1\r\nHost: x\r\n\r\n');
      return socket;
    }),
  );
  for (const socket of sockets.slice(10)) socket.destroy();

  const rows: unknown[] = JSON.parse(await get(`${url}/transactions/swift?limit=10000`));
  expect(rows.length).toBe(10_000);
  for (const socket of sockets) socket.destroy();
});

describe('cashflow expose', () => {
  it('refuses to start where data are missing, and says what', async () => {
    const broken = mkdtempSync(join(tmpdir(), 'counterpart-broken-'));
    const start = async () => (await runCli(['cashflow', 'expose', '--data', broken, '--port', '0'], {})).stderr;
    try {
      expect(await start()).toMatch(/manifest\.json is missing in .* cashflow make --size small --out /);

      writeFileSync(join(broken, 'manifest.json'), '{"kind":"letters"');
      expect(await start()).toContain('is none of this version');

      cpSync(folder, broken, { recursive: true });
      unlinkSync(join(broken, 'companies.ndjson'));
      truncateSync(join(broken, 'swift.ndjson'), 1000);
      expect(await start()).toMatch(/companies\.ndjson is missing, swift\.ndjson has 1000 bytes instead of \d+/);

      copyFileSync(join(folder, 'manifest.json'), join(broken, 'manifest.json'));
      const manifest = JSON.parse(readFileSync(join(broken, 'manifest.json'), 'utf8'));
      writeFileSync(join(broken, 'manifest.json'), JSON.stringify({ ...manifest, format: 'csv', compression: 'zstd' }));
      expect(await start()).toContain('are csv compressed by zstd. Only plain NDJSON can be served');
    } finally {
      rmSync(broken, { recursive: true });
    }
  });

  it.each([
    [['--port', '70000']],
    [['--fault-rate', '2']],
    [['--fault-rate', 'some']],
    [['--dialect', 'latin']],
    [['--faults', 'fire']],
  ])('refuses %s', async (parameters) => {
    const { code, stderr } = await runCli(['cashflow', 'expose', '--data', folder, ...parameters], {});

    expect(code).toBe(1);
    expect(stderr).toMatch(/option|There is no fault "fire"/);
  });

  it('serves until it is told to stop', async () => {
    const child = startCommand(['cashflow', 'expose', '--data', folder, '--port', '0', '--dialect', 'own'], {});
    let output = '';
    for await (const piece of child.stdout as NodeJS.ReadableStream) {
      output += String(piece);
      if (output.includes('\n')) break;
    }
    const [, url] = /^serving .* in the dialect own on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(output) ?? [];
    expect((await poll(`${url}/sepa`)).from).toBe('2018-01-01');

    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  });
});
