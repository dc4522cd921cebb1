import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHmac } from 'node:crypto';
import pg from 'pg';
import { aLine } from './claims/biller.js';
import { aPatient, aPayment, Sender, somePatients } from './http/sender.js';
import { partsOf, signed, unsigned } from './setup/cursors.js';
import { createDatabase, query, startTestServer, type TestServer, until } from './setup/test-server.js';

/** Every list with pages. Its parameter is `cursor`, unless it is named here. */
const LISTS: [path: string, parameter?: string][] = [
  ['/patients?sort=externalId'],
  ['/patients?sort=lastName'],
  ['/patients?sort=paymentsTotal'],
  ['/patients?sort=-paymentsTotal'],
  ['/patients/1/history'],
  ['/patients/1/payments'],
  ['/payments'],
  ['/payments/1/history'],
  ['/changes'],
  ['/changes', 'after'],
  ['/changes?resource=patients', 'after'],
  ['/sync/jobs'],
  ['/sync/jobs/{job}/errors'],
  ['/sync/jobs/{job}/changes'],
  ['/sync/jobs/{tried}/plan'],
  ['/audit'],
  ['/claims'],
  ['/claim-payments'],
  ['/claim-payments/notifications'],
  ['/webhooks'],
  ['/webhooks/{webhook}/deliveries'],
  ['/api/accounts/{account}/entries'],
  ['/companies?sort=name'],
  ['/companies?sort=balance'],
  ['/companies?sort=-balance&currency=USD'],
  ['/companies/1/history'],
  ['/companies/1/transactions'],
  ['/companies/1/liquidity-rules'],
  ['/exchange-rates'],
  ['/exchange-rates/1/history'],
  ['/sepa'],
  ['/sepa/{transaction}/history'],
  ['/swift'],
  ['/swift/{transaction}/history'],
  ['/cashflow/dirty'],
  ['/cashflow/pulls'],
];

let server: TestServer;
let from: Sender;
let ids: Record<string, string>;

beforeAll(async () => {
  server = await startTestServer({ WEBHOOK_TARGETS: 'any' });
  from = new Sender(server);
  await from.mirror('/patients', somePatients(3));
  await from.mirror('/payments', [aPayment(), aPayment({ externalId: '2' })]);
  await from.mirror('/payments', [aPayment({ amount: '2.00' }), aPayment({ externalId: '2' })]);
  const job = await from.mirror('/patients?mode=partial', [
    aPatient({ firstName: 'Roy' }),
    aPatient({ externalId: '2', firstName: 'Roy' }),
    {},
    {},
  ]);
  await from.post('/claims', [aLine()]);
  await from.post('/claims', [aLine()]);
  await from.post('/webhooks', { url: 'http://127.0.0.1:9/' });
  const webhook: any = await (await from.post('/webhooks', { url: 'http://127.0.0.1:9/' })).json();
  for (const _ of [1, 2]) await from.fetch(`/webhooks/${webhook.id}/test`, { method: 'POST' });
  const account: any = await (await from.post('/api/accounts/create', {})).json();
  for (const _ of [1, 2]) await from.post(`/api/accounts/${account.account_number}/deposit?sum=1`, '');
  const tried = await from.mirror('/patients?mode=partial&dryRun=true', [aPatient(), aPatient({ externalId: '2' })]);
  ids = { job: job.id, tried: tried.id, webhook: webhook.id, account: account.account_number };
  const transaction = await mirrorBank();
  ids = { ...ids, transaction };
  await until('the claims are paid', async () => (await from.get('/claim-payments')).items.length === 2);
});

afterAll(() => server.close());

/** Two of each, and one of each that has changed. @returns the external id of a transaction of either kind */
async function mirrorBank(): Promise<string> {
  const one = { transactionId: 't', payerIban: 'XX1', beneficiaryIban: 'XX2', amount: '1', timestamp: '2018-01-01' };
  const transactions = [one, { ...one, amount: '2' }];
  for (const name of ['A', 'B']) {
    await from.mirror('/companies', [
      { externalId: '1', name, ibans: ['XX1'] },
      { externalId: '2', name, ibans: [] },
    ]);
    await from.mirror('/exchange-rates', [
      { currency: '1', eurRate: name === 'A' ? '1' : '2' },
      { currency: '2', eurRate: '1' },
    ]);
    for (const kind of ['/sepa', '/swift'])
      await from.mirror(kind, name === 'A' ? transactions : [one, ...transactions]);
    const pull: any = await (await from.post('/cashflow/pulls', { baseUrl: 'http://127.0.0.1:9' })).json();
    await from.fetch(`/cashflow/pulls/${pull.id}`, { method: 'DELETE' });
  }
  const rule = { kind: 'balance_below', threshold: '0', currency: 'EUR' };
  for (const _ of [1, 2]) await from.post('/companies/1/liquidity-rules', rule);
  const { items } = await from.get('/sepa?limit=1');
  return encodeURIComponent(items[0].externalId);
}

const pathOf = (list: string) => list.replace(/\{(\w+)\}/, (_, name: string) => ids[name] ?? '');

/** The cursor after the first item. */
async function cursorOf(list: string): Promise<string> {
  const path = pathOf(list);
  return (await from.get(`${path}${path.includes('?') ? '&' : '?'}limit=1`)).nextCursor;
}

function ask(list: string, parameter: string, cursor: string, to = from): Promise<Response> {
  const path = pathOf(list);
  return to.fetch(`${path}${path.includes('?') ? '&' : '?'}${parameter}=${cursor}`);
}

async function expectRefusal(response: Response): Promise<void> {
  expect(await response.json()).toMatchObject({ status: 400, code: 'invalid_cursor' });
}

it('all lists with cursors are known to these tests', async () => {
  const { paths } = await server.get('/openapi.json');
  const described = Object.entries<any>(paths)
    .filter(([, { get }]) => get?.parameters?.some(({ name }: { name: string }) => name === 'cursor'))
    .map(([path]) => path.replaceAll(/\{\w+\}/g, '_'));

  const known = LISTS.map(([path]) => path.replace(/\?.*/, '').replaceAll(/\{\w+\}|(?<=\/)1(?=\/)/g, '_'));

  expect([...new Set(known)].toSorted()).toEqual(described.toSorted());
});

describe.each(LISTS)('the cursor of %s', (list, parameter = 'cursor') => {
  it('is taken by its own list', async () => {
    expect((await ask(list, parameter, await cursorOf(list))).status).toBe(200);
  });

  it('is refused without its signature, as those of former versions are', async () => {
    await expectRefusal(await ask(list, parameter, unsigned(...partsOf(await cursorOf(list)))));
  });

  it('is refused if a bit of it has changed, or a part of it is missing', async () => {
    const cursor = Buffer.from(await cursorOf(list), 'base64url');
    for (const place of [0, 15, 31, 32, cursor.length - 3]) {
      const changed = Buffer.from(cursor);
      changed.writeUInt8(changed.readUInt8(place) ^ 1, place);
      await expectRefusal(await ask(list, parameter, changed.toString('base64url')));
    }
    for (const part of [cursor.subarray(0, 32), cursor.subarray(0, -1), cursor.subarray(1), cursor.subarray(0, 5)]) {
      await expectRefusal(await ask(list, parameter, part.toString('base64url')));
    }
  });

  it('is refused with a signature by another secret', async () => {
    const content = Buffer.from(JSON.stringify(partsOf(await cursorOf(list))));
    for (const secret of ['', 'secret', Buffer.alloc(32)]) {
      const signature = createHmac('sha256', secret).update(content).digest();
      await expectRefusal(await ask(list, parameter, Buffer.concat([signature, content]).toString('base64url')));
    }
  });

  it('is refused with a signature for another list', async () => {
    const [, ...key] = partsOf(await cursorOf(list));
    await expectRefusal(await ask(list, parameter, signed(server, 'another list', ...key)));
  });

  it.each(['', 'x', 'AAAA', '%00', 'é'.repeat(10), 'A'.repeat(5_001)])('is never %j', async (cursor) => {
    await expectRefusal(await ask(list, parameter, cursor));
  });
});

it.each([
  ['/patients?sort=lastName', 'payment_min=0'],
  ['/patients?sort=-paymentsTotal', 'q=r'],
  ['/payments', 'external_id=1'],
  ['/sync/jobs', 'resource=patients'],
  ['/sync/jobs', 'status=completed'],
  ['/claims', 'payment_status=settled'],
  ['/claim-payments', 'claim_id=019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c'],
  ['/claim-payments/notifications', 'status=settled'],
  ['/webhooks/{webhook}/deliveries', 'status=pending'],
  ['/audit', 'action=snapshot.submitted'],
])('the cursor of %s is refused with other filters: %s', async (list, filter) => {
  const filtered = `${list}${list.includes('?') ? '&' : '?'}${filter}`;

  await expectRefusal(await ask(filtered, 'cursor', await cursorOf(list)));
});

it.each([
  '/patients?sort=lastName',
  '/patients/1/history',
  '/patients/1/payments',
  '/payments',
  '/changes',
  '/sync/jobs',
  '/claims',
  '/claim-payments',
  '/claim-payments/notifications',
  '/webhooks',
  '/api/accounts/{account}/entries',
])('the cursor of %s is refused for another source', async (list) => {
  const other = new Sender(server);
  await other.mirror('/patients', somePatients(1));

  await expectRefusal(await ask(list, 'cursor', await cursorOf(list), other));
});

it('the cursor of the history of a row is refused by another row', async () => {
  await expectRefusal(await ask('/patients/2/history', 'cursor', await cursorOf('/patients/1/history')));
});

describe('a forged cursor', () => {
  it.each([
    ['/patients?sort=lastName', unsigned('patients lastName', '0', '', '')],
    ['/patients?sort=-paymentsTotal', unsigned('patients -paymentsTotal', '0', '1', '1')],
    ['/payments', unsigned('payments', '')],
    ['/patients/1/history', unsigned('history', '0')],
    ['/changes', unsigned('changes default *', '0', '0')],
  ])('of %s is refused before the rows are read', async (list, cursor) => {
    const locker = new pg.Client(server.databaseUrl);
    await locker.connect();
    try {
      // Any statement that reads one of these would wait.
      await locker.query('begin');
      await locker.query('lock table patient, payment, change, total_change, mirror_commit in access exclusive mode');

      await expectRefusal(await ask(list, 'cursor', cursor));
    } finally {
      await locker.end();
    }
  });
});

describe('the secret', () => {
  it('is shared by all servers of a database', async () => {
    const other = await startTestServer({ databaseUrl: server.databaseUrl, QUEUE_PREFIX: server.config.QUEUE_PREFIX });
    try {
      const cursor = await cursorOf('/patients?sort=lastName');
      const answer = await ask('/patients?sort=lastName', 'cursor', cursor, new Sender(other, from.source));
      expect(answer.status).toBe(200);
    } finally {
      await other.close();
    }
  });

  it('is different in each database', async () => {
    const databaseUrl = await createDatabase();
    // Databases of tests are copies of one.
    await query(databaseUrl, `update cursor_secret set secret = sha256(secret)`);
    const other = await startTestServer({ databaseUrl });
    try {
      const cursor = await cursorOf('/changes');
      await expectRefusal(await ask('/changes', 'after', cursor, new Sender(other, from.source)));
    } finally {
      await other.close();
    }
  });

  it('can be read by the role of the application, and be changed by nobody but the owner', async () => {
    const grants = await server.query(
      `select grantee, privilege_type from information_schema.role_table_grants
        where table_name = 'cursor_secret' and grantee <> current_user`,
    );

    expect(grants).toEqual([{ grantee: 'counterpart_app', privilege_type: 'SELECT' }]);
  });

  it('is one row of 32 bytes', async () => {
    const [row, ...others] = await server.query('select octet_length(secret) as bytes from cursor_secret');

    expect({ row, others }).toEqual({ row: { bytes: 32 }, others: [] });
    await expect(server.query(`insert into cursor_secret (secret) values (sha256('x'))`)).rejects.toMatchObject({
      code: '23505',
    });
  });
});

it('the longest cursor of all is taken: names and ids of 250 control characters', async () => {
  const one = new Sender(server);
  const long = (last: string) => '\u0001'.repeat(249) + last;
  await one.mirror(
    '/patients',
    ['1', '2', '3'].map((n) => aPatient({ externalId: long(n), lastName: long('\u0001') })),
  );

  const { nextCursor } = await one.get('/patients?sort=lastName&limit=1');
  const { items } = await one.get(`/patients?sort=lastName&limit=1&cursor=${nextCursor}`);

  expect(nextCursor.length).toBeGreaterThan(4_000);
  expect(items).toMatchObject([{ externalId: long('2') }]);
});
