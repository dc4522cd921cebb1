import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import https from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Installation } from '../declared/installation.js';
import type { TestServer } from '../setup/test-server.js';
import { asking, beginPull, type Pull, pull, QUICK, recordsOf } from './puller.js';

const CERTIFICATES = join(import.meta.dirname, '../webhooks');

let server: TestServer;
let here: Installation;
let sources = 0;
const running: { close: () => unknown; closeAllConnections?: () => void }[] = [];

beforeAll(async () => {
  here = await Installation.create();
  server = await here.start({
    ...QUICK,
    PULL_ATTEMPTS: 2,
    PULL_WAIT_SECONDS: 1,
    PULL_TIMEOUT_SECONDS: 5,
    PULL_ANSWER_SECONDS: 8,
    PULL_MAX_ANSWER_BYTES: 4 * 1024 ** 2,
    PULL_MAX_ANSWERS: 50,
  });
}, 60_000);

afterAll(() => here?.close());

afterEach(() => {
  for (const each of running.splice(0)) {
    each.closeAllConnections?.();
    each.close();
  }
});

const newSource = () => `bank-${++sources}`;

async function listening(source: Server | https.Server): Promise<string> {
  running.push(source);
  source.listen(0, '127.0.0.1');
  await once(source, 'listening');
  return `${source instanceof https.Server ? 'https' : 'http'}://127.0.0.1:${(source.address() as AddressInfo).port}`;
}

const JSON_TYPE = { 'Content-Type': 'application/json' };

type Answers = Record<string, unknown>;

/** A source in the dialect own that has what every source has, but for what is given otherwise. */
function sourceWith(answers: Answers): Promise<string> {
  const usual: Answers = {
    '/ping': { message: 'pong' },
    '/company_info': [{ id: '1', name: 'One', owner: 'O', ibans: ['DE1'] }],
    '/exchange_rates': [{ currency: 'EUR', eur_rate: 1, usd_rate: 1.1 }],
    '/sepa': window([]),
    '/swift': window([]),
    ...answers,
  };
  return listening(
    createServer((request, response) => {
      const path = (request.url ?? '').split('?')[0] ?? '';
      const answer = usual[path];
      if (answer === undefined) response.writeHead(404, JSON_TYPE).end('{}');
      else if (typeof answer === 'function') (answer as RequestListener)(request, response);
      else response.writeHead(200, JSON_TYPE).end(JSON.stringify(answer));
    }),
  );
}

const window = (transactions: unknown[], nextCursor: string | null = null) => ({
  from: '2018-01-01',
  to: '2018-01-06',
  transactions,
  nextCursor,
});

const row = (id: string, more: object = {}) => ({
  id,
  payer_iban: 'DE1',
  beneficiary_iban: 'FR2',
  amount: 1.5,
  currency: 'EUR',
  timestamp: '2018-01-02T10:00:00.000001Z',
  ...more,
});

/** Writes without end, as fast as it is taken. */
const endless =
  (begin: string, piece: string): RequestListener =>
  (_, response) => {
    response.writeHead(200, JSON_TYPE).write(begin);
    const write = () => {
      while (!response.destroyed && response.write(piece));
    };
    response.on('drain', write);
    write();
  };

const BOMB = gzipSync(Buffer.alloc(50_000_000));

const MIB = 'x'.repeat(1024 ** 2);

const HOSTILE: [string, string, Answers][] = [
  [
    'an answer without end',
    'answer_too_large',
    { '/swift': endless('{"transactions":[{}', `,${JSON.stringify(row('1'))}`) },
  ],
  ['a line without end', 'row_too_large', { '/swift': endless('{"transactions":[{"id":"', MIB) }],
  ['white space without end', 'answer_too_large', { '/swift': endless(' ', ' '.repeat(65_536)) }],
  ['a value beside the rows without end', 'malformed_answer', { '/swift': endless('{"from":"', MIB) }],
  [
    'an answer that comes byte by byte',
    'answer_too_slow',
    {
      '/swift': (_: unknown, response: any) => {
        response.writeHead(200, JSON_TYPE);
        const timer = setInterval(() => response.write(' '), 100);
        response.on('close', () => clearInterval(timer));
      },
    },
  ],
  [
    'a redirect',
    'redirect',
    { '/swift': (_: unknown, response: any) => response.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end() },
  ],
  [
    'a redirect of its ping',
    'redirect',
    {
      '/swift': (_: unknown, r: any) => r.writeHead(500).end(),
      '/ping': (_: unknown, r: any) => r.writeHead(301, { Location: '/' }).end(),
    },
  ],
  [
    'a page of HTML',
    'wrong_content_type',
    { '/swift': (_: unknown, response: any) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>') },
  ],
  [
    'a bomb',
    'compressed_answer',
    {
      '/swift': (_: unknown, response: any) =>
        response.writeHead(200, { ...JSON_TYPE, 'Content-Encoding': 'gzip' }).end(BOMB),
    },
  ],
  [
    'HTML that calls itself JSON',
    'malformed_answer',
    { '/swift': (_: unknown, response: any) => response.writeHead(200, JSON_TYPE).end('<html>') },
  ],
  ['an error as its answer', 'malformed_answer', { '/swift': { error: 'no' } }],
  ['a cursor that does not move', 'cursor_stuck', { '/swift': window([row('1')], 'a') }],
  ['a cursor that is a list', 'malformed_answer', { '/swift': { ...window([row('1')]), nextCursor: ['a'] } }],
  ['a very long cursor', 'cursor_stuck', { '/swift': window([row('1')], 'a'.repeat(10_000)) }],
  [
    'a window of ten thousand years',
    'window_too_long',
    { '/swift': { ...window([row('1')]), from: '0001-01-01', to: '9999-12-31' } },
  ],
  ['a window that ends before it begins', 'no_window', { '/swift': { ...window([row('1')]), from: '2019-01-01' } }],
  ['failures without end', 'status_500', { '/swift': (_: unknown, response: any) => response.writeHead(500).end() }],
  ['no transactions at all', 'status_404', { '/swift': undefined }],
  [
    'windows without end',
    'too_many_answers',
    {
      '/swift': (request: any, response: any) => {
        const place = Number(new URL(request.url, 'http://x').searchParams.get('cursor') || 0);
        const day = (offset: number) => new Date(Date.UTC(2018, 0, 1 + offset)).toISOString().slice(0, 10);
        const answer = { from: day(place), to: day(place + 1), transactions: [], nextCursor: String(place + 1) };
        response.writeHead(200, JSON_TYPE).end(JSON.stringify(answer));
      },
    },
  ],
];

describe('a source that is wrong or hostile', () => {
  it.each(HOSTILE)(
    'fails the pull by %s, as %s',
    async (_, code, answers) => {
      const done = await pull(server, await sourceWith(answers), {}, newSource());

      expect(done).toMatchObject({ status: 'failed', error: { code, jobId: null } });
      // One that fails before anything is asked for fails none in particular.
      expect(done.error?.resource).toBe('/ping' in answers ? null : 'swift');
      expect(done.error?.detail).toMatch(/\.$/);
      expect(JSON.stringify(done)).not.toMatch(/html|DE1/);
    },
    30_000,
  );

  it('that is down for too long fails the pull', async () => {
    const url = await sourceWith({});
    running.splice(0).forEach((each) => each.close());

    expect(await pull(server, url, {}, newSource())).toMatchObject({
      status: 'failed',
      error: { code: 'source_unavailable' },
    });
  }, 60_000);

  it('that speaks no known dialect fails the pull', async () => {
    expect(await pull(server, await sourceWith({ '/company_info': undefined }), {}, newSource())).toMatchObject({
      status: 'failed',
      error: { code: 'dialect_unknown' },
    });
  }, 60_000);

  it('whose certificate nobody has signed fails the pull', async () => {
    const options = {
      cert: readFileSync(join(CERTIFICATES, 'receiver-certificate.pem')),
      key: readFileSync(join(CERTIFICATES, 'receiver-key.pem')),
    };
    const url = await listening(https.createServer(options, (_, response) => void response.end('{}')));

    expect(await pull(server, url, {}, newSource())).toMatchObject({ status: 'failed', error: { code: 'tls_failed' } });
  }, 60_000);

  it('that does not speak HTTP fails the pull', async () => {
    const tcp = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.end('hello\r\n\r\n');
    });
    running.push(tcp);
    tcp.listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const url = `http://127.0.0.1:${(tcp.address() as AddressInfo).port}`;

    expect(await pull(server, url, {}, newSource())).toMatchObject({ status: 'failed', error: { code: 'not_http' } });
  }, 60_000);
});

describe('rows', () => {
  it('that cannot be read are rejected with their text, and the others are mirrored', async () => {
    const source = newSource();
    const bad = [
      row('2', { timestamp: 'yesterday' }),
      row('3', { amount: { euros: 1 } }),
      17,
      row('4', { payer_iban: null }),
    ];
    const url = await sourceWith({ '/sepa': window([row('1'), ...bad]) });

    const done = await pull(server, url, {}, source);

    expect(done).toMatchObject({ status: 'completed', counts: { rejected: 4 } });
    expect((await recordsOf(server, 'sepa', source)).map(({ transactionId }) => transactionId)).toEqual(['1']);
    const [job] = done.resources.sepa.jobs;
    const { body } = await asking(server, source)(`/sync/jobs/${job?.id}/errors`);
    const told = body.items.map(({ data }: any) => JSON.parse(data.raw));
    expect(told).toHaveLength(4);
    expect(told).toEqual(expect.arrayContaining(bad));
  }, 60_000);

  it('with currencies and IBANs that nobody knows are mirrored and told', async () => {
    const source = newSource();
    const url = await sourceWith({ '/swift': window([row('1', { currency: 'SGP', payer_iban: 'XX9' }), row('2')]) });

    const done = await pull(server, url, {}, source);

    expect(done.warnings).toEqual([
      { code: 'unknown_currency', detail: expect.any(String), resource: 'swift', currency: 'SGP', rows: 1 },
      // Without a rate of the dollar there is no telling what those of the others mean.
      { code: 'rates_inconsistent', detail: expect.any(String), resource: 'exchange-rates' },
    ]);
    expect(await recordsOf(server, 'swift', source)).toHaveLength(2);
  }, 60_000);
});

describe('the target of a pull', () => {
  const refusalOf = async (baseUrl: string, more: object = {}) => {
    const { status, body } = await asking(server)('/cashflow/pulls', {
      method: 'POST',
      body: JSON.stringify({ baseUrl, ...more }),
    });
    return [status, body.code];
  };

  it.each([
    ['http://10.0.0.1/', 'target_not_allowed'],
    ['http://169.254.169.254/latest', 'target_not_allowed'],
    ['http://[fd00::1]/', 'target_not_allowed'],
    ['http://0/', 'target_not_allowed'],
    ['ftp://bank.example/', 'invalid_url'],
    ['bank.example', 'invalid_url'],
    ['http://user:secret@bank.example/', 'invalid_url'],
    ['http://bank.example/?key=1', 'invalid_url'],
    ['', 'invalid_url'],
  ])('%s is refused as %s', async (url, code) => {
    expect(await refusalOf(url)).toEqual([400, code]);
  });

  it('is one of PULL_TARGETS if these are set, or a public one', async () => {
    const url = await sourceWith({});
    const port = new URL(url).port;
    const { readTargets } = await import('../../src/settings/targets.js');
    const strict = await here.start({ ...QUICK, PULL_TARGETS: readTargets('10.1.0.0/16, localhost.bank') });
    const open = await here.start({ ...QUICK, PULL_TARGETS: readTargets('127.0.0.1'), AUTH: 'open' });
    const post = (to: TestServer, baseUrl: string, source: string) =>
      asking(to, source)('/cashflow/pulls', { method: 'POST', body: JSON.stringify({ baseUrl }) });

    expect((await post(strict, url, newSource())).body.code).toBe('target_not_allowed');
    expect((await post(strict, `http://localhost:${port}`, newSource())).body.code).toBe('target_not_allowed');
    expect((await post(strict, 'http://10.2.0.1', newSource())).status).toBe(400);
    const source = newSource();
    const { status, body } = await post(open, url, source);
    expect(status).toBe(202);
    expect((body as Pull).baseUrl).toBe(url);
    await asking(open, source)(`/cashflow/pulls/${body.id}`, { method: 'DELETE' });
    await here.stop(strict);
    await here.stop(open);
  }, 60_000);

  it.each([
    [{ dialect: 'other' }, 'invalid_field'],
    [{ rates: null }, 'invalid_field'],
    [{ every: 'PT1S' }, 'invalid_field'],
    [{ every: 60 }, 'invalid_field'],
    [{ more: 1 }, 'unknown_field'],
  ])('goes along with nothing wrong: %j is refused', async (more, code) => {
    expect(await refusalOf('http://127.0.0.1:1', more)).toEqual([400, code]);
  });
});

it('a source has one pull at a time, which only it sees', async () => {
  const source = newSource();
  const url = await sourceWith({ '/swift': () => undefined });
  const { id } = await beginPull(server, url, {}, source);
  const ask = asking(server, source);

  const second = await ask('/cashflow/pulls', { method: 'POST', body: JSON.stringify({ baseUrl: url }) });
  expect([second.status, second.body.code]).toEqual([409, 'pull_under_way']);
  expect(second.body.detail).toContain(id);
  expect(second.headers.get('location')).toBe(`/cashflow/pulls/${id}`);

  for (const path of [`/cashflow/pulls/${id}`, `/sync/jobs/${id}`]) {
    expect((await ask(path)).body).toMatchObject({ id, source, kind: 'pull' });
    expect((await asking(server, newSource())(path)).status).toBe(404);
  }
  expect((await asking(server, newSource())(`/cashflow/pulls/${id}`, { method: 'DELETE' })).status).toBe(404);
  expect((await asking(server, newSource())('/cashflow/pulls')).body.items).toEqual([]);
  expect(
    (await ask('/cashflow/pulls?status=fetching')).body.items.length +
      (await ask('/cashflow/pulls?status=queued')).body.items.length,
  ).toBe(1);

  expect((await ask(`/cashflow/pulls/${id}`, { method: 'DELETE' })).status).toBe(204);
  expect((await ask(`/cashflow/pulls/${id}`)).body).toMatchObject({ status: 'cancelled' });
  expect((await ask(`/cashflow/pulls/${id}`, { method: 'DELETE' })).status).toBe(204);
  for (const unknown of ['x', '019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c']) {
    expect((await ask(`/cashflow/pulls/${unknown}`)).status).toBe(404);
  }
}, 60_000);
