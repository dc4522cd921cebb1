import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import { aPatient, Sender } from '../http/sender.js';
import { Asker } from './http-client.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';

/** What begins so is a formula to one spreadsheet or another (OWASP, CSV Injection). */
const BEGINNINGS = ['=', '+', '-', '@', '\t', '\r', '\n', '\uff1d', '\uff0b', '\uff0d', '\uff20'];

const FORMULAS = [
  ...BEGINNINGS.map((beginning) => `${beginning}1+1`),
  `=cmd|' /C calc'!A0`,
  '=HYPERLINK("http://127.0.0.1/?"&A1,"here")',
  '@SUM(1,1)',
  '+1-1',
  '-2+3',
];

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
});

afterAll(() => server.close());

async function exported(path: string, type: string): Promise<string> {
  return (await from.fetch(path, { headers: { Accept: type } })).text();
}

describe.each([
  ['of what was rejected', () => rejectedBy.links.errors],
  ['of what a job changed', () => changedBy.links.changes],
])('a table %s', (_what, path) => {
  it('has no cell that a spreadsheet would take for a formula', async () => {
    const rows: string[][] = parse(await exported(path(), 'text/csv'));

    expect(rows).toHaveLength(FORMULAS.length + 1);
    const cells = rows.flat();
    expect(cells.filter((cell) => BEGINNINGS.some((beginning) => cell.startsWith(beginning)))).toEqual([]);
    for (const formula of FORMULAS) expect(cells).toContain(`'${formula}`);
  });

  it('is told by programs to the character as NDJSON', async () => {
    const lines = (await exported(path(), 'application/x-ndjson')).trimEnd().split('\n');

    const ids = lines.map((line) => (JSON.parse(line) as { externalId: string }).externalId);
    expect(ids.toSorted()).toEqual(FORMULAS.toSorted());
  });
});

it('no other route answers with a table', async () => {
  const { paths } = await server.get('/openapi.json');
  const id = changedBy.links.changes.split('/').at(-2) ?? '';
  const asker = new Asker(server);
  const tables: string[] = [];
  for (const [route, { get }] of Object.entries<any>(paths)) {
    if (!get) continue;
    const path = route.replace('{id}', id).replace('{externalId}', '1');
    const headers = { Accept: 'text/csv', 'X-Source': from.source };
    const type = (await asker.ask({ method: 'GET', path, headers })).headers['content-type'] ?? '';
    // Which give back what was sent, whatever it is.
    if (type.startsWith('text/csv') && !path.endsWith('/snapshot')) tables.push(route);
  }

  asker.close();
  expect(tables.toSorted()).toEqual(['/audit', '/sync/jobs/{id}/changes', '/sync/jobs/{id}/errors']);
});
