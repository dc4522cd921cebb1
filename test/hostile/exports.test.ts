import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import { aPatient, Sender } from '../http/sender.js';
import { HttpClient } from './http-client.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';

/** Characters at the start of a cell that some spreadsheet reads as a formula (OWASP, CSV Injection). */
const BEGINNINGS = ['=', '+', '-', '@', '\t', '\r', '\n', '\uff1d', '\uff0b', '\uff0d', '\uff20'];

const FORMULAS = [
  ...BEGINNINGS.map((beginning) => `${beginning}1+1`),
  `=cmd|' /C calc'!A0`,
  '=HYPERLINK("http://127.0.0.1/?"&A1,"here")',
  '@SUM(1,1)',
  '+1-1',
  '-2+3',
];

/** With something wrong, so that it is listed. Negative amounts are no formulas. */
const TRANSACTION = { payerIban: '-1-1', beneficiaryIban: '=1', amount: -12.5, timestamp: '2026-11-21' };

const idOf = ({ links }: { links: { changes: string } }) => links.changes.split('/').at(-2) ?? '';

let server: TestServer;
let from: Sender;
let rejectedBy: { links: { errors: string; changes: string } };
let changedBy: { links: { errors: string; changes: string } };

beforeAll(async () => {
  server = await startTestServer();
  from = new Sender(server);
  const records = FORMULAS.map((text) => aPatient({ externalId: text, firstName: text }));
  changedBy = await from.mirror('/patients', records);
  rejectedBy = await from.mirror(
    '/patients?mode=partial',
    records.map((record) => ({ ...record, lastName: '' })),
  );
  await from.mirror(
    '/swift',
    FORMULAS.map((text) => ({ ...TRANSACTION, transactionId: text })),
  );
  // Found by the id that takes the place of each route's.
  await from.mirror('/companies', [{ externalId: idOf(changedBy), name: 'A company', ibans: [] }]);
});

afterAll(() => server.close());

async function exported(path: string, type: string): Promise<string> {
  return (await from.fetch(path, { headers: { Accept: type } })).text();
}

describe.each([
  ['of rejected records', () => rejectedBy.links.errors],
  ['of the changes of a job', () => changedBy.links.changes],
  ['of dirty transactions', () => '/cashflow/dirty'],
])('an export %s', (_what, path) => {
  it('has no cell in CSV that a spreadsheet would read as a formula', async () => {
    const rows: string[][] = parse(await exported(path(), 'text/csv'));

    expect(rows).toHaveLength(FORMULAS.length + 1);
    const cells = rows.flat();
    const formulas = cells.filter((cell) => BEGINNINGS.some((beginning) => cell.startsWith(beginning)));
    expect(formulas.filter((cell) => cell !== '-12.50')).toEqual([]);
    for (const formula of FORMULAS) expect(cells).toContain(`'${formula}`);
  });

  it('has the exact values in NDJSON', async () => {
    const lines = (await exported(path(), 'application/x-ndjson')).trimEnd().split('\n');

    const ids = lines
      .map((line) => JSON.parse(line) as { externalId?: string; id?: string })
      .map(({ externalId, id }) => externalId ?? id ?? '');
    expect(ids.toSorted()).toEqual(FORMULAS.toSorted());
  });
});

it('no other route answers with CSV', async () => {
  const { paths } = await server.get('/openapi.json');
  const id = idOf(changedBy);
  const client = new HttpClient(server);
  const tables: string[] = [];
  for (const [route, { get }] of Object.entries<any>(paths)) {
    if (!get) continue;
    const path = route.replace('{id}', id).replace('{externalId}', '1');
    const headers = { Accept: 'text/csv', 'X-Source': from.source };
    const type = (await client.send({ method: 'GET', path, headers })).headers['content-type'] ?? '';
    // A snapshot is returned exactly as it was sent.
    if (type.startsWith('text/csv') && !path.endsWith('/snapshot')) tables.push(route);
  }

  client.close();
  expect(tables.toSorted()).toEqual([
    '/audit',
    '/cashflow/balances',
    '/cashflow/dirty',
    '/companies/{id}/transactions',
    '/sync/jobs/{id}/changes',
    '/sync/jobs/{id}/errors',
  ]);
});
