import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SCOPES, type Scope } from '../../src/http/caller.js';
import { aLine } from '../claims/biller.js';
import { aPatient, aPayment } from '../http/sender.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { allKeys, bearer, makeKey, WRONG_KEY } from './keys.js';
import { ROUTES } from './route-table.js';

const GUARDED = ROUTES.filter(([, , want]) => want !== 'public');
const WITH_IDS = GUARDED.filter(([, path]) => path.includes(':'));

/** The ids to fill into paths; each source has one of each kind. */
interface Belongings {
  job: string;
  row: string;
  claim: string;
  webhook: string;
  delivery: string;
  account: string;
  pull: string;
  rule: string;
}

/** Headers without a valid key: none, wrong keys, and another scheme. */
const INVALID_CREDENTIALS: Record<string, string>[] = [
  {},
  bearer(WRONG_KEY),
  bearer('nonsense'),
  { 'X-API-Key': WRONG_KEY },
  { Authorization: 'Token abc' },
];

function aTransfer(transactionId: string) {
  const parties = { payerIban: 'DE1', beneficiaryIban: 'DE2' };
  return { transactionId, ...parties, timestamp: '2018-01-01T00:00:00Z', amount: 1, currency: 'EUR' };
}

/** The external id of such a transfer. */
const transferId = (transactionId: string) => `${transactionId}|DE1|DE2|2018-01-01T00:00:00.000Z|1|EUR`;

const A_RULE = { kind: 'balance_below', threshold: '1', currency: 'EUR' };

/** Bodies for the routes that require one. */
const BODIES: Record<string, unknown> = {
  'POST /patients': [aPatient({ externalId: 'sent' })],
  'POST /payments': [aPayment({ externalId: 'sent' })],
  'POST /claims': [aLine()],
  'POST /companies': [{ externalId: 'sent', name: 'A company', ibans: [] }],
  'POST /exchange-rates': [{ currency: 'sent' }],
  'POST /sepa': [aTransfer('sent')],
  'POST /swift': [aTransfer('sent')],
  // Refused for its address, but only after the caller has been authorized.
  'POST /cashflow/pulls': { baseUrl: 'http://127.0.0.1:9' },
  'POST /companies/:id/liquidity-rules': A_RULE,
  'POST /webhooks': { url: 'http://127.0.0.1:9/hook' },
  'PATCH /webhooks/:id': { description: 'changed' },
  // Refused for its sum, but only after the caller has been authorized.
  'POST /api/transfers': { from: 'one', to: 'another', sum: 0 },
};

const QUERIES: Record<string, string> = {
  'POST /patients': '?mode=partial',
  'POST /payments': '?mode=partial',
  'POST /companies': '?mode=partial',
  'POST /exchange-rates': '?mode=partial',
  'POST /sepa': '?mode=partial',
  'POST /swift': '?mode=partial',
  'GET /companies/:id/accounts/:iban/statement': '?from=2018-01-01&to=2019-01-01',
  'POST /sync/jobs/:id/revert': '?dryRun=true',
  'POST /webhooks/:id/replay': '?since=2026-01-01T00:00:00Z',
  'POST /api/accounts/:number/deposit': '?sum=2',
  'PUT /api/accounts/:number/deposit': '?sum=2',
  'POST /api/accounts/:number/withdraw': '?sum=1',
  'PUT /api/accounts/:number/withdraw': '?sum=1',
};

let server: TestServer;
let key: string;
let own: Belongings;
let others: Belongings;

beforeAll(async () => {
  server = await startTestServer({
    AUTH: 'keys',
    WEBHOOK_TARGETS: 'any',
    RATE_LIMIT_PER_MINUTE: 0,
    WRONG_KEYS_PER_MINUTE: 0,
    TOP_PROVIDERS_PER_MINUTE: 1000,
  });
  key = await makeKey(server, { source: 'ours' });
  own = await belongingsOf(key, 'our-row');
  others = await belongingsOf(await makeKey(server, { source: 'theirs' }), 'their-row');
});

afterAll(() => server.close());

it.each(ROUTES.filter(([, , want]) => want === 'public'))('%s %s is public', async (method, path) => {
  for (const headers of INVALID_CREDENTIALS) expect((await ask(method, path, own, headers)).status).toBe(200);
});

describe.each(GUARDED)('%s %s', (method, path, want) => {
  it('gives the same 401 to every request without a valid key', async () => {
    const answers = await Promise.all(
      INVALID_CREDENTIALS.map(async (headers) => whole(await ask(method, path, own, headers))),
    );

    expect(answers[0]).toMatchObject({ status: 401, 'content-type': expect.stringMatching(/problem\+json/) });
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  it(`is a 403 that names the scope for a key with every scope but ${want}`, async () => {
    const scopes = SCOPES.filter((scope) => scope !== want);
    const response = await ask(method, path, own, bearer(await makeKey(server, { source: 'ours', scopes })));

    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({
      code: 'missing_scope',
      detail: expect.stringContaining(`"${want}"`),
    });
  });

  it(`accepts a key with only the scope ${want}`, async () => {
    const right = await makeKey(server, { source: 'ours', scopes: [want as Scope] });
    const fresh = path.startsWith('/webhooks/:id') ? { ...own, ...(await newWebhook(key)) } : own;

    const response = await ask(method, path, fresh, bearer(right));

    await response.text();
    expect([401, 403, 404]).not.toContain(response.status);
    expect(response.status).toBeLessThan(500);
  });

  it('is a 404 for a key that names a source other than its own, whether it exists or not', async () => {
    const answers = await Promise.all(
      ['theirs', 'nobodys'].map((name) => ask(method, path, own, { ...bearer(key), 'X-Source': name })),
    );

    for (const answer of answers) {
      expect(answer.status).toBe(404);
      expect(await answer.json()).toMatchObject({ code: 'not_found', detail: 'There is no such source.' });
    }
  });
});

it.each(WITH_IDS)(
  '%s %s is the same 404 for an id of another source as for an id that does not exist',
  async (method, path) => {
    const no = '01a1fcbd-5545-72d2-aa2d-85cb579978a1';
    const none = { job: no, claim: no, webhook: no, delivery: no, pull: no, rule: no };
    const nothing = { ...none, row: 'nothing', account: '1234567890123459' };
    const answers = await Promise.all(
      [others, nothing].map(async (belongings) => whole(await ask(method, path, belongings, bearer(key)))),
    );

    expect(answers[0]).toMatchObject({ status: 404 });
    expect(answers[1]).toEqual(answers[0]);
  },
);

describe('data of another source', () => {
  it.each(['/patients', '/payments', '/sync/jobs', '/changes', '/webhooks', '/claims'])(
    'is in no list: %s',
    async (path) => {
      const { items } = await server.get(`${path}?limit=1000`, { headers: bearer(key) });
      const text = JSON.stringify(items);

      for (const id of Object.values(others)) expect(text).not.toContain(id);
      expect(items.length).toBeGreaterThan(0);
    },
  );

  it('is the same empty page of jobs as that of a source which does not exist', async () => {
    for (const name of ['theirs', 'nobodys']) {
      const page = await server.get(`/sync/jobs?source=${name}`, { headers: bearer(key) });
      expect(page).toEqual({ items: [], nextCursor: null });
    }
  });
});

describe('a key that is bound to no source', () => {
  it('acts for the source that it names, or for the default one', async () => {
    const any = bearer(await makeKey(server));

    expect((await ask('GET', '/sync/jobs/:id', own, { ...any, 'X-Source': 'ours' })).status).toBe(200);
    expect((await ask('GET', '/sync/jobs/:id', own, { ...any, 'X-Source': 'theirs' })).status).toBe(404);
    expect((await ask('GET', '/sync/jobs/:id', own, any)).status).toBe(404);
    const { items } = await server.get('/sync/jobs?source=theirs', { headers: any });
    expect(items.length).toBeGreaterThan(0);
  });
});

describe('a key that is bound to a source', () => {
  it('may name that source, in a valid spelling', async () => {
    expect((await ask('GET', '/patients', own, { ...bearer(key), 'X-Source': 'ours' })).status).toBe(200);
    const wrong = await ask('GET', '/patients', own, { ...bearer(key), 'X-Source': 'no source' });
    expect({ status: wrong.status, body: await wrong.json() }).toMatchObject({
      status: 400,
      body: { code: 'invalid_source' },
    });
  });
});

describe('the keys', () => {
  it('are stored only as digests', async () => {
    const stored = JSON.stringify(await server.query('select * from access_key'));

    expect(stored).not.toContain(key.slice(4));
    expect(await allKeys(server).findCaller(key)).toMatchObject({ source: 'ours', scopes: [...SCOPES] });
  });
});

function ask(method: string, path: string, of: Belongings, headers: Record<string, string> = {}): Promise<Response> {
  const { job, row, claim, webhook, delivery, account } = of;
  const [, first = ''] = path.split('/');
  const ids: Record<string, string> = { sync: job, claims: claim, companies: row, cashflow: of.pull };
  const id = ids[first] ?? webhook;
  const externalId = ['sepa', 'swift'].includes(first) ? encodeURIComponent(transferId(row)) : row;
  const filled = path
    .replace(':number', account)
    .replace(':externalId', externalId)
    .replace(':iban', row)
    .replace(':deliveryId', delivery)
    .replace(':ruleId', of.rule)
    .replace(':id', id);
  const body = BODIES[`${method} ${path}`];
  const query = QUERIES[`${method} ${path}`] ?? '';
  return server.fetch(filled + query, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** An answer without its request id and its date. */
async function whole(response: Response): Promise<Record<string, unknown>> {
  const { 'x-request-id': _id, date: _date, ...headers } = Object.fromEntries(response.headers);
  return { status: response.status, body: await response.text(), ...headers };
}

async function belongingsOf(of: string, row: string): Promise<Belongings> {
  await server.mirror('/patients?mode=partial', [aPatient({ externalId: row })], bearer(of));
  // A dry run has everything that a job can have: a plan too.
  const job = await server.mirror('/patients?mode=partial&dryRun=true', [aPatient({ externalId: row })], bearer(of));
  await server.mirror('/payments?mode=partial', [aPayment({ externalId: row, patientId: row })], bearer(of));
  const opened = await server.get('/api/accounts/create', { method: 'POST', headers: bearer(of) });
  const [claim, webhook, pull] = [await newClaim(of), await newWebhook(of), await newPull(of, row)];
  return { job: job.id, row, claim, account: opened.account_number, pull, ...webhook, rule: await newRule(of, row) };
}

/** With what a pull would bring. */
async function newPull(of: string, row: string): Promise<string> {
  await server.mirror('/companies', [{ externalId: row, name: 'A company', ibans: [row] }], bearer(of));
  await server.mirror('/exchange-rates', [{ currency: row }], bearer(of));
  for (const kind of ['/sepa', '/swift']) await server.mirror(kind, [aTransfer(row)], bearer(of));
  const [made] = await server.query(
    `insert into cashflow_pull (source_id, id, base_url, dialect, rates, status, finished_at)
     select source_id, gen_random_uuid(), 'http://bank.example', 'own', 'auto', 'completed', now()
       from mirrored_companies where external_id = $1 returning id`,
    [row],
  );
  return made.id;
}

async function newRule(of: string, company: string): Promise<string> {
  const headers = { ...bearer(of), 'Content-Type': 'application/json' };
  const body = JSON.stringify(A_RULE);
  return (await server.get(`/companies/${company}/liquidity-rules`, { method: 'POST', headers, body })).id;
}

async function newClaim(of: string): Promise<string> {
  const headers = { ...bearer(of), 'Content-Type': 'application/json' };
  return (await server.get('/claims', { method: 'POST', headers, body: JSON.stringify(aLine()) })).id;
}

async function newWebhook(of: string): Promise<{ webhook: string; delivery: string }> {
  const headers = { ...bearer(of), 'Content-Type': 'application/json' };
  const body = JSON.stringify({ url: 'http://127.0.0.1:9/hook' });
  const { id: webhook } = await server.get('/webhooks', { method: 'POST', headers, body });
  const { id: delivery } = await server.get(`/webhooks/${webhook}/test`, { method: 'POST', headers: bearer(of) });
  return { webhook, delivery };
}
