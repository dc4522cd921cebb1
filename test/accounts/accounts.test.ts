import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { isAccountNumber } from '../../src/accounts/account-number.js';
import { verifyAccounts } from '../../src/accounts/verify-accounts.js';
import { RequestCleaner } from '../../src/accounts/request-cleaner.js';
import { rawRequest } from '../http/raw-http.js';
import { startTestServer, type TestServer } from '../setup/test-server.js';
import { AccountOwner, newKey } from './account-owner.js';

const MOST = Number.MAX_SAFE_INTEGER;

/** Valid by its check digit, but not opened. */
const NOBODYS = '1234567890123459';

const NO_ACCOUNT = { status: 404, body: { error: 'account does not exist', status: 404 } };
const NO_SUM = { status: 400, body: { error: 'transaction sum is invalid', status: 400 } };
const NO_FUNDS = { status: 409, body: { error: 'insufficient funds', status: 409 } };

let server: TestServer;
let owner: AccountOwner;

beforeAll(async () => {
  server = await startTestServer();
});

beforeEach(() => {
  owner = new AccountOwner(server);
});

afterAll(async () => {
  expect((await verifyAccounts(server.databaseUrl)).faults).toEqual([]);
  await server.close();
});

describe('an account', () => {
  it('is opened with a balance of 0, with a body or without', async () => {
    for (const body of [undefined, {}, { overdraftLimit: 100 }]) {
      expect(await owner.ask('POST', '/api/accounts/create', body)).toEqual({
        status: 201,
        body: { account_number: expect.stringMatching(/^\d{16}$/), balance: 0 },
      });
    }
  });

  it.each([-1, 0.5, '5', null, MOST + 1, 1e300])('is not opened with an overdraft of %j', async (overdraftLimit) => {
    const answer = await owner.ask('POST', '/api/accounts/create', { overdraftLimit });

    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_field' } });
    expect(answer.body.errors[0]).toMatchObject({ pointer: '/overdraftLimit' });
  });

  // They used to be rounded to the nearest double, which is a valid limit.
  it.each(['9007199254740991.4', '1e-400', '4.9999999999999999999', '5e-9999', '9007199254740990.99999'])(
    'is not opened with an overdraft of %s, which no double holds',
    async (limit) => {
      const answer = await owner.send('POST', '/api/accounts/create', `{"overdraftLimit":${limit}}`);

      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_field' } });
      expect(answer.body.errors[0]).toMatchObject({ pointer: '/overdraftLimit' });
    },
  );

  it.each([{}, { 'Content-Type': 'application/json' }, { 'Content-Type': 'text/plain' }])(
    'is opened with an empty chunked body, as some clients send it for none: %j',
    async (headers) => {
      const chunks = { headers: { 'Transfer-Encoding': 'chunked', ...headers }, body: [] };

      expect(await rawRequest(server, 'POST', '/api/accounts/create', chunks)).toMatchObject({ status: 201 });
      const answer = await rawRequest(server, 'POST', '/api/transfers', chunks);
      expect(JSON.parse(answer.body.toString())).toMatchObject(NO_SUM.body);
    },
  );

  it('is not opened with a chunked body of another type, or one that is too large', async () => {
    const sent = (type: string, body: string) =>
      rawRequest(server, 'POST', '/api/accounts/create', { headers: { 'Content-Type': type }, body: [body] });

    expect(await sent('text/plain', '{}')).toMatchObject({ status: 415 });
    expect(await sent('application/json', '')).toMatchObject({ status: 201 });
    expect(await sent('application/json', ' ')).toMatchObject({ status: 400 });
    expect(await sent('application/json', ' '.repeat(64 * 1024 + 1))).toMatchObject({ status: 413 });
  });

  it('is not opened with an unknown field', async () => {
    expect(await owner.ask('POST', '/api/accounts/create', { balance: 5 })).toMatchObject({
      status: 400,
      body: { code: 'unknown_field' },
    });
  });

  it('accepts deposits and withdrawals by PUT and by POST', async () => {
    const account = await owner.open();

    for (const [method, what, balance] of [
      ['PUT', 'deposit?sum=250', 250],
      ['POST', 'withdraw?sum=5', 245],
      ['POST', 'deposit?sum=10', 255],
      ['PUT', 'withdraw?sum=255', 0],
    ] as const) {
      const answer = await owner.ask(method, `/api/accounts/${account}/${what}`);
      expect(answer).toEqual({ status: 200, body: { balance } });
    }
    expect(await owner.balance(account)).toBe(0);
  });

  it.each(['', '0', '-1', '+5', '1.5', '1e3', '05', '5 ', '٥', 'five', '9007199254740992', '99999999999999999999'])(
    'refuses the sum "%s" before the account is looked up',
    async (sum) => {
      const account = await owner.open();

      for (const number of [account, NOBODYS, 'x']) {
        for (const verb of ['deposit', 'withdraw']) {
          const path = `/api/accounts/${number}/${verb}?sum=${encodeURIComponent(sum)}`;
          expect(await owner.ask('POST', path)).toMatchObject(NO_SUM);
        }
      }
      expect(await owner.balance(account)).toBe(0);
    },
  );

  // A sum under another name used to be reported as an unknown parameter, without `error`.
  it.each([
    'deposit',
    'withdraw',
    'deposit?sum=1&sum=1',
    'withdraw?sum=1&sum=2',
    'deposit?SUM=1',
    'withdraw?amount=5',
    'deposit?sum=0&amount=5',
    'withdraw?sum[]=1',
  ])('refuses %s, which has no one sum', async (what) => {
    for (const method of ['PUT', 'POST']) {
      expect(await owner.ask(method, `/api/accounts/${NOBODYS}/${what}`)).toMatchObject(NO_SUM);
    }
  });

  it('refuses an unknown parameter', async () => {
    const account = await owner.open();

    const answer = await owner.ask('POST', `/api/accounts/${account}/deposit?sum=1&times=2`);

    expect(answer).toMatchObject({ status: 400, body: { code: 'unknown_parameter' } });
    expect(await owner.balance(account)).toBe(0);
  });

  it('does not exist if its number is unknown, misspelt, that of the cash or of another source', async () => {
    const others = await new AccountOwner(server).open();
    const own = await owner.open(100);

    for (const number of [NOBODYS, '1234567890123456', '0', '-1', 'x', '%00', others]) {
      for (const [method, what] of [
        ['POST', 'deposit?sum=1'],
        ['PUT', 'withdraw?sum=1'],
        ['GET', 'balance'],
        ['GET', 'balance?asOf=2026-01-01T00:00:00Z'],
        ['GET', 'entries'],
      ] as const) {
        expect(await owner.ask(method, `/api/accounts/${number}/${what}`)).toMatchObject(NO_ACCOUNT);
      }
      expect(await owner.transfer(own, number, 1)).toMatchObject(NO_ACCOUNT);
      expect(await owner.transfer(number, own, 1)).toMatchObject(NO_ACCOUNT);
    }
    expect(await owner.balance(own)).toBe(0);
  });

  it('pays out no more than its balance and its overdraft limit', async () => {
    const [plain, overdrawn] = [await owner.open(), await owner.open(100)];
    await owner.deposit(plain, 10);

    expect(await owner.withdraw(plain, 11)).toMatchObject(NO_FUNDS);
    expect(await owner.withdraw(overdrawn, 100)).toEqual({ status: 200, body: { balance: -100 } });
    expect(await owner.withdraw(overdrawn, 1)).toMatchObject(NO_FUNDS);
    expect(await owner.transfer(plain, overdrawn, 11)).toMatchObject(NO_FUNDS);
    expect([await owner.balance(plain), await owner.balance(overdrawn)]).toEqual([10, -100]);
  });

  it('holds no more than every JSON reader takes exactly', async () => {
    const [full, deep] = [await owner.open(), await owner.open(MOST)];

    expect(await owner.deposit(full, MOST)).toEqual({ status: 200, body: { balance: MOST } });
    expect(await owner.deposit(full, 1)).toMatchObject(NO_SUM);
    expect(await owner.withdraw(deep, MOST)).toEqual({ status: 200, body: { balance: -MOST } });
    expect(await owner.withdraw(deep, 1)).toMatchObject(NO_FUNDS);
    expect(await owner.transfer(full, deep, MOST)).toMatchObject({ status: 201 });
    expect([await owner.balance(full), await owner.balance(deep)]).toEqual([0, 0]);
  });
});

describe('a transfer', () => {
  it('moves a sum from one account to another', async () => {
    const [from, to] = (await owner.openMany(2)) as [string, string];
    await owner.deposit(from, 10);

    const answer = await owner.transfer(from, to, 4);

    expect(answer).toEqual({ status: 201, body: { id: expect.any(String), from, to, sum: 4, balance: 6 } });
    expect([await owner.balance(from), await owner.balance(to)]).toEqual([6, 4]);
    const [out, into] = [(await owner.entries(from)).items[0], (await owner.entries(to)).items[0]];
    expect(out).toMatchObject({ id: answer.body.id, kind: 'transfer', amount: -4, balance: 6 });
    expect(into).toMatchObject({ id: answer.body.id, kind: 'transfer', amount: 4, balance: 4 });
  });

  it.each([undefined, null, 0, -1, 1.5, '5', [5], {}, MOST + 1])(
    'of %j is refused before anything else is checked',
    async (sum) => {
      expect(await owner.ask('POST', '/api/transfers', { from: 'x', to: 'y', sum })).toMatchObject(NO_SUM);
      expect(await owner.ask('POST', '/api/transfers', { from: 5, amount: 5, sum })).toMatchObject(NO_SUM);
    },
  );

  it('without a body is refused for its missing sum', async () => {
    expect(await owner.ask('POST', '/api/transfers')).toMatchObject(NO_SUM);
  });

  it.each([{ to: NOBODYS }, { from: NOBODYS, to: 5 }, { from: NOBODYS, to: null }])(
    'that lacks an account is refused with the name of the field: %j',
    async (sides) => {
      const name = 'from' in sides ? 'to' : 'from';

      expect(await owner.ask('POST', '/api/transfers', { ...sides, sum: 1 })).toMatchObject({
        status: 400,
        body: {
          code: 'invalid_field',
          detail: `${name}: must be the number of an account, as text`,
          errors: [{ pointer: `/${name}`, detail: 'must be the number of an account, as text' }],
        },
      });
    },
  );

  // They used to be posted as 5, 1 and 4503599627370498.
  it.each(['4.9999999999999999999', '1.00000000000000000001', '4503599627370497.5', '1e-400'])(
    'of %s, which no double holds, is refused',
    async (sum) => {
      const [from, to] = (await owner.openMany(2, MOST)) as [string, string];

      const answer = await owner.send('POST', '/api/transfers', `{"from":"${from}","to":"${to}","sum":${sum}}`);

      expect(answer).toMatchObject(NO_SUM);
      expect([await owner.balance(from), await owner.balance(to)]).toEqual([0, 0]);
    },
  );

  it.each([
    ['5.0', 5],
    ['1e2', 100],
    ['9007199254740991', MOST],
    ['0.0000000000000000000005e22', 5],
  ])('of %s moves %d, as it is the same number', async (sum, cents) => {
    const [from, to] = (await owner.openMany(2, MOST)) as [string, string];

    const answer = await owner.send('POST', '/api/transfers', `{"from":"${from}","to":"${to}","sum":${sum}}`);

    expect(answer).toMatchObject({ status: 201, body: { sum: cents, balance: -cents } });
  });

  it('to the same account, from a number that is not text, or with an unknown field is refused', async () => {
    const account = await owner.open(100);

    for (const [order, code] of [
      [{ from: account, to: account, sum: 1 }, 'same_account'],
      [{ from: account, sum: 1 }, 'invalid_field'],
      [{ from: 5, to: account, sum: 1 }, 'invalid_field'],
      [{ from: account, to: NOBODYS, sum: 1, kind: 'x' }, 'unknown_field'],
    ] as const) {
      expect(await owner.ask('POST', '/api/transfers', order)).toMatchObject({ status: 400, body: { code } });
    }
  });
});

describe('under an Idempotency-Key', () => {
  it('each change has one effect and one answer, refusals for insufficient funds too', async () => {
    const [a, b] = (await owner.openMany(2)) as [string, string];
    const asked = [
      () => owner.deposit(a, 10, 'in'),
      () => owner.withdraw(a, 3, 'out'),
      () => owner.withdraw(a, 100, 'too much'),
      () => owner.deposit(a, MOST, 'beyond'),
      () => owner.transfer(a, b, 2, 'over'),
      () => owner.ask('POST', '/api/accounts/create', { overdraftLimit: 5 }, 'open'),
    ];
    const first = [];
    for (const ask of asked) first.push(await ask());
    await owner.deposit(a, 1_000);

    const again = await Promise.all(asked.map((ask) => ask()));

    expect(again).toEqual(first);
    expect(first.map(({ status }) => status)).toEqual([200, 200, 409, 400, 201, 201]);
    expect([await owner.balance(a), await owner.balance(b)]).toEqual([1_005, 2]);
  });

  it('another request is refused', async () => {
    const [a, b] = (await owner.openMany(2, 100)) as [string, string];
    await owner.deposit(a, 10, 'key');

    for (const other of [
      owner.deposit(a, 11, 'key'),
      owner.deposit(b, 10, 'key'),
      owner.withdraw(a, 10, 'key'),
      owner.transfer(a, b, 10, 'key'),
      owner.ask('POST', '/api/accounts/create', undefined, 'key'),
    ]) {
      expect(await other).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
    }
    expect(await owner.balance(a)).toBe(10);
  });

  it('nothing is stored after an invalid request, or for another source', async () => {
    const [account, other] = [await owner.open(), new AccountOwner(server)];
    const theirs = await other.open();

    expect((await owner.deposit(account, 0, 'key')).status).toBe(400);
    expect((await owner.deposit(NOBODYS, 1, 'key')).status).toBe(404);
    expect((await owner.deposit(account, 1, 'key')).status).toBe(200);
    expect((await other.deposit(theirs, 2, 'key')).status).toBe(200);
  });

  it('of 256 characters nothing is posted', async () => {
    const account = await owner.open();

    expect((await owner.deposit(account, 1, 'k'.repeat(255))).status).toBe(200);
    expect(await owner.deposit(account, 1, 'k'.repeat(256))).toMatchObject({
      status: 400,
      body: { code: 'invalid_idempotency_key' },
    });
  });

  it('faults are checked in the order of docs/accounts.md', async () => {
    const [account, other] = (await owner.openMany(2)) as [string, string];
    await owner.deposit(account, 1, 'used');
    const tooLong = 'k'.repeat(256);
    const order = (from: string, to: string, more = {}) => ({ from, to, sum: 1, ...more });

    for (const [body, key, answer] of [
      [order('x', 'x', { kind: 'x', sum: 0 }), tooLong, { code: 'invalid_sum' }],
      [order('x', 'x', { kind: 'x' }), tooLong, { code: 'unknown_field' }],
      [order('x', 'x'), tooLong, { code: 'same_account' }],
      [order('1234567890123456', account), tooLong, { code: 'unknown_account' }],
      [order(NOBODYS, account), tooLong, { code: 'invalid_idempotency_key' }],
      [order(NOBODYS, account), 'used', { code: 'idempotency_key_reused' }],
      [order(NOBODYS, account), 'free', { code: 'unknown_account' }],
      [order(other, account), 'free', { code: 'insufficient_funds' }],
      [order(account, other), 'free', { code: 'idempotency_key_reused' }],
    ] as const) {
      expect((await owner.ask('POST', '/api/transfers', body, key)).body).toMatchObject(answer);
    }
  });

  it('nothing is posted if the header is sent twice or is empty', async () => {
    const account = await owner.open();

    for (const key of [['one', 'two'], ['one', 'one'], '']) {
      const headers = { 'X-Source': owner.source, 'Idempotency-Key': key };
      const answer = await rawRequest(server, 'POST', `/api/accounts/${account}/deposit?sum=1`, { headers });
      expect(JSON.parse(answer.body.toString())).toMatchObject({ status: 400, code: 'invalid_idempotency_key' });
    }
    expect((await owner.deposit(account, 1, 'one, two')).status).toBe(200);
    expect(await owner.balance(account)).toBe(1);
  });

  it('concurrent requests have one effect', async () => {
    const [account, other] = (await owner.openMany(2)) as [string, string];

    const same = await Promise.all(Array.from({ length: 20 }, () => owner.deposit(account, 5, 'same')));
    const opened = await Promise.all(
      Array.from({ length: 5 }, () => owner.ask('POST', '/api/accounts/create', undefined, 'open')),
    );
    const mixed = await Promise.all([account, other, account, other].map((of) => owner.deposit(of, 7, 'mixed')));

    expect(new Set(same.map((answer) => JSON.stringify(answer)))).toEqual(
      new Set(['{"status":200,"body":{"balance":5}}']),
    );
    expect(new Set(opened.map(({ body }) => body.account_number)).size).toBe(1);
    expect(mixed.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 422, 422]);
    expect((await owner.balance(account)) + (await owner.balance(other))).toBe(12);
  });

  it('a request is forgotten after a week', async () => {
    const account = await owner.open();
    await owner.deposit(account, 1, 'old');
    await owner.deposit(account, 1, 'new');
    await server.query(`update ledger_request set created = created - interval '8 days' where key = 'old'`);

    await server.app.get(RequestCleaner).clean();

    await owner.deposit(account, 1, 'old');
    await owner.deposit(account, 1, 'new');
    expect(await owner.balance(account)).toBe(3);
  });
});

describe('the history', () => {
  it('gives the balance as of an instant: 0 before the account existed', async () => {
    const account = await owner.open();
    await owner.deposit(account, 10);
    await owner.withdraw(account, 3);
    const { items } = await owner.entries(account);

    expect(await owner.balance(account, '2000-01-01T00:00:00Z')).toBe(0);
    expect(await owner.balance(account, items[1].at)).toBe(items[1].at === items[0].at ? 7 : 10);
    expect(await owner.balance(account, items[0].at)).toBe(7);
    expect(await owner.balance(account, '2999-12-31T23:59:59.999+02:00')).toBe(7);
  });

  it.each(['2999-12-31T23:59Z', '2999-12-31T23:59:59Z', '2999-12-31T23:59:59.9Z', '2999-12-31T23:59:59.999999-11:30'])(
    'gives the balance as of "%s"',
    async (asOf) => {
      const account = await owner.open();
      await owner.deposit(account, 1);

      expect(await owner.balance(account, asOf)).toBe(1);
    },
  );

  it.each([
    '',
    'now',
    '2026-01-01',
    '2026-02-30T00:00:00Z',
    '2026-01-01T00:00:00',
    '0000-01-01T00:00:00Z',
    '2026-01-01T00:00:00+02:00',
    '1',
  ])('is not told as of "%s"', async (asOf) => {
    const answer = await owner.ask('GET', `/api/accounts/${await owner.open()}/balance?asOf=${asOf}`);

    expect(answer).toMatchObject({
      status: 400,
      body: { code: 'invalid_parameter', detail: expect.stringMatching(/^asOf/) },
    });
  });

  it('is listed newest first, page by page, while more is posted', async () => {
    const account = await owner.open();
    for (let sum = 1; sum <= 7; sum += 1) await owner.deposit(account, sum);
    const seen: any[] = [];

    let path: string | null = '?limit=3';
    while (path !== null) {
      const page: any = await owner.entries(account, path);
      seen.push(...page.items);
      await owner.deposit(account, 100);
      path = page.nextCursor === null ? null : `?limit=3&cursor=${page.nextCursor}`;
    }

    expect(seen.map(({ amount, balance }) => [amount, balance])).toEqual(
      [7, 6, 5, 4, 3, 2, 1].map((sum) => [sum, (sum * (sum + 1)) / 2]),
    );
    expect(seen[0]).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      kind: 'deposit',
      amount: 7,
      balance: 28,
    });
  });

  it('refuses the cursor of another account', async () => {
    const [a, b] = (await owner.openMany(2)) as [string, string];
    await owner.deposit(a, 1);
    await owner.deposit(a, 1);
    const { nextCursor } = await owner.entries(a, '?limit=1');

    const answer = await owner.ask('GET', `/api/accounts/${b}/entries?cursor=${nextCursor}`);

    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
  });
});

describe('the description of the API', () => {
  let routes: { name: string; operation: any }[];
  let text: string;

  beforeAll(async () => {
    text = await (await server.fetch('/openapi.json')).text();
    routes = Object.entries<any>(JSON.parse(text).paths)
      .filter(([path]) => path.startsWith('/api/'))
      .flatMap(([path, item]) =>
        Object.entries<any>(item).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
      );
  });

  // The check digits of the examples used to be wrong, so trying them always gave a 404.
  it.each(['docs/accounts.md', null])('and the docs have valid account numbers as examples: %s', async (file) => {
    const numbers = (file === null ? text : await readFile(file, 'utf8')).match(/\b\d{16}\b/g) ?? [];

    expect(numbers.filter((number) => !isAccountNumber(number) && number !== String(MOST))).toEqual([]);
    expect(numbers.filter(isAccountNumber)).not.toEqual([]);
  });

  it('lists the problems of each route', () => {
    const problems = routes.map(({ name, operation }) => [
      name,
      Object.keys(operation.responses).filter((status) => /^[45]/.test(status) && !['401', '403'].includes(status)),
    ]);

    expect(Object.fromEntries(problems)).toEqual({
      'post /api/accounts/create': ['400', '422', '503'],
      'put /api/accounts/{number}/deposit': ['400', '404', '422', '503'],
      'post /api/accounts/{number}/deposit': ['400', '404', '422', '503'],
      'put /api/accounts/{number}/withdraw': ['400', '404', '409', '422', '503'],
      'post /api/accounts/{number}/withdraw': ['400', '404', '409', '422', '503'],
      'get /api/accounts/{number}/balance': ['400', '404', '503'],
      'get /api/accounts/{number}/entries': ['400', '404', '503'],
      'post /api/transfers': ['400', '404', '409', '422', '503'],
    });
  });

  it('has a schema for each answer, and requires no body to open an account', () => {
    for (const { operation } of routes) {
      const [, answer] = Object.entries<any>(operation.responses).find(([status]) => status.startsWith('2')) ?? [];
      expect(answer.content['application/json'].schema).toEqual(expect.any(Object));
    }
    const bodyOf = (name: string) => routes.find((route) => route.name === name)?.operation.requestBody;
    expect(bodyOf('post /api/accounts/create').required ?? false).toBe(false);
    expect(bodyOf('post /api/transfers').required).toBe(true);
  });

  it('limits the length of the Idempotency-Key of each change', () => {
    for (const { name, operation } of routes) {
      const key = operation.parameters.find((parameter: any) => parameter.name === 'Idempotency-Key');
      expect({ name, most: key?.schema.maxLength }).toEqual({ name, most: name.startsWith('get') ? undefined : 255 });
    }
  });
});

it('each posting records the key that posted it', async () => {
  const account = await owner.open();
  await owner.deposit(account, 1, newKey());

  const [row] = await server.query(
    `select a.created_by, t.posted_by from ledger_account a join ledger_entry e on e.account = a.number
       join ledger_transfer t on t.id = e.transfer_id where a.number = $1`,
    [account],
  );

  expect(row).toEqual({ created_by: 'anybody', posted_by: 'anybody' });
});
