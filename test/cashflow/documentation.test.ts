import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { Bank, pull } from './puller.js';

// Every request that docs/cashflow.md shows, sent as it is there, and answered as it is there. Where the page has `…`, anything may be.

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/cashflow.md'), 'utf8');

interface Example {
  url: string;
  method: string;
  headers: Record<string, string>;
  body: string | undefined;
  /** What is shown of the answer, or nothing. */
  shown: string;
}

/** The requests of the page in their order. */
const EXAMPLES = [...PAGE.matchAll(/^```\n([\s\S]{1,4000}?)^```$/gm)].flatMap(([, block = '']) =>
  block
    .split(/^\$ /m)
    .filter((part) => part.startsWith('curl '))
    .map(readExample),
);

function readExample(part: string): Example {
  const [command = '', ...answer] = part.replaceAll(/\\\n\s*/g, '').split('\n');
  const headers = Object.fromEntries(
    [...command.matchAll(/-H '([^:']+): ([^']+)'/g)].map(([, name, value]) => [name, value]),
  );
  const body = /-d '([^']+)'/.exec(command)?.[1];
  return {
    url: /'?(http:[^' ]+)/.exec(command)?.[1] ?? '',
    method: body === undefined ? 'GET' : 'POST',
    headers,
    body,
    shown: answer.map((line) => line.trim()).join(''),
  };
}

let bank: Bank;
let bankUrl: string;
let server: TestServer;
let pullId: string;

beforeAll(async () => {
  // As `cashflow make --size small --seed 42` does.
  bank = await Bank.open({ companies: 100, sepa: 1_000, swift: 10_000 }, 42);
  bankUrl = await bank.expose('own');
  server = await startTestServer({});
  pullId = (await pull(server, bankUrl)).id;
}, 120_000);

afterAll(async () => {
  await server.close();
  await bank.close();
});

it('there are as many examples as this test was written for, or more', () => {
  expect(EXAMPLES.length).toBeGreaterThanOrEqual(8);
  expect(EXAMPLES.filter(({ shown }) => shown !== '').length).toBeGreaterThanOrEqual(4);
});

it.each(EXAMPLES)('$method $url answers what the page shows', async ({ url, method, headers, body, shown }) => {
  const here = (text: string) =>
    text
      .replaceAll('http://127.0.0.1:3000', server.url)
      .replaceAll('http://127.0.0.1:8080', bankUrl)
      .replace(/(?<=pulls\/)[0-9a-f]{8}-…/, pullId);
  const response = await fetch(here(url), { method, headers, ...(body === undefined ? {} : { body: here(body) }) });
  const text = await response.text();

  expect([200, 201, 202]).toContain(response.status);
  let from = 0;
  for (const fragment of here(shown).split('…')) {
    const at = text.indexOf(fragment, from);
    expect(at === -1 ? `${fragment} is not in ${text.slice(from, from + 2_000)}` : '').toBe('');
    from = at + fragment.length;
  }
});

it('the truth is what the page shows, and what is answered', async () => {
  const [, shown] = /truth\.csv\n(companyId\S*\n\S+)\n/.exec(PAGE) ?? [];
  const truth = readFileSync(join(bank.folder, 'truth.csv'), 'utf8');
  expect(truth.startsWith(`${shown}\n`)).toBe(true);
  const [, eur] = /,2018-Q1,([\d.-]+),/.exec(shown ?? '') ?? [];
  const { items } = await server.get('/companies/1/balances?interval=quarter&from=2018-01-01&to=2018-04-01');
  expect(items[0].closing).toBe(eur);
});
