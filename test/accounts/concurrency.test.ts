import { EntityManager } from '@mikro-orm/postgresql';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { verifyAccounts } from '../../src/accounts/verify-accounts.js';
import { withinSource } from '../../src/database/source-isolation.js';
import { createDatabase, startTestServer, type TestServer } from '../setup/test-server.js';
import { AccountOwner, type Answer, newKey } from './account-owner.js';

/** Two instances on one database. */
let servers: [TestServer, TestServer];
let owners: [AccountOwner, AccountOwner];

beforeAll(async () => {
  const databaseUrl = await createDatabase();
  const first = await startTestServer({ databaseUrl });
  servers = [first, await startTestServer({ databaseUrl, QUEUE_PREFIX: first.config.QUEUE_PREFIX })];
});

beforeEach(() => {
  const first = new AccountOwner(servers[0]);
  owners = [first, new AccountOwner(servers[1], first.source)];
});

afterAll(async () => {
  expect((await verifyAccounts(servers[0].databaseUrl)).faults).toEqual([]);
  await Promise.all(servers.map((server) => server.close()));
});

const either = (n: number): AccountOwner => owners[n % 2] as AccountOwner;
const statuses = (answers: Answer[]): number[] =>
  [...new Set(answers.map(({ status }) => status))].toSorted((a, b) => a - b);

describe('concurrent postings, over two instances', () => {
  it('on one account sum to exactly what was acknowledged, however often each is sent', async () => {
    const account = await owners[0].open();
    const orders = Array.from({ length: 300 }, (_, n) => ({ sum: (n % 7) + 1, isDeposit: n % 3 !== 0, key: newKey() }));

    const rounds = await Promise.all(
      [0, 1, 1].map((shift) =>
        Promise.all(
          orders.map(({ sum, isDeposit, key }, n) =>
            isDeposit ? either(n + shift).deposit(account, sum, key) : either(n + shift).withdraw(account, sum, key),
          ),
        ),
      ),
    );

    expect(rounds[1]).toEqual(rounds[0]);
    expect(rounds[2]).toEqual(rounds[0]);
    expect([200, 409]).toEqual(expect.arrayContaining(statuses(rounds.flat())));
    const acknowledged = orders.map(({ sum, isDeposit }, n) =>
      rounds[0]?.[n]?.status === 200 ? (isDeposit ? sum : -sum) : 0,
    );
    expect(await owners[1].balance(account)).toBe(acknowledged.reduce((total, sum) => total + sum, 0));
  });

  it('among ten accounts in all directions never fail, and keep the total', async () => {
    const accounts = await owners[0].openMany(10, 50);
    await Promise.all(accounts.map((account) => owners[0].deposit(account, 100)));

    const answers = await Promise.all(
      Array.from({ length: 600 }, (_, n) => {
        const from = n % 10;
        const to = (from + 1 + ((n * 7) % 9)) % 10;
        return either(n).transfer(accounts[from] ?? '', accounts[to] ?? '', (n % 40) + 1);
      }),
    );

    expect([201, 409]).toEqual(expect.arrayContaining(statuses(answers)));
    expect(answers.filter(({ status }) => status === 201).length).toBeGreaterThan(100);
    const balances = await Promise.all(accounts.map((account) => owners[1].balance(account)));
    expect(balances.reduce((total, balance) => total + balance, 0)).toBe(1_000);
    expect(Math.min(...balances)).toBeGreaterThanOrEqual(-50);
  });

  it('never pay out more than the balance', async () => {
    const account = await owners[0].open(10);
    await owners[0].deposit(account, 90);

    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => either(n).withdraw(account, 3)));

    expect(answers.filter(({ status }) => status === 200)).toHaveLength(33);
    expect(await owners[0].balance(account)).toBe(-9);
  });
});

describe('an account whose last posting has a time in the future, as after a step of the clock', () => {
  it('does not pass that time on to others that are posted to in the same batch', async () => {
    const [ahead, other] = await owners[0].openMany(2);
    await servers[0].query(`update ledger_account set posted_at = now() + interval '1 day' where number = $1`, [ahead]);

    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => owners[0].deposit(String(n % 2 === 0 ? ahead : other), 1)),
    );

    expect(statuses(answers)).toEqual([200]);
    const times = (account = '') =>
      servers[0].query(
        `select count(*)::int as entries, bool_and(at > now()) as future from ledger_entry where account = $1`,
        [account],
      );
    expect(await times(ahead)).toEqual([{ entries: 50, future: true }]);
    const [last] = await servers[0].query(
      `select max(at) < now() + interval '1 hour' as present from ledger_entry where account = $1`,
      [other],
    );
    expect(last).toEqual({ present: true });
    const [transfers] = await servers[0].query(
      `select count(*)::int as different from ledger_transfer t join ledger_entry e on e.transfer_id = t.id where e.at <> t.at`,
    );
    expect(transfers).toEqual({ different: 0 });
  });
});

describe('an account that another transaction has locked', () => {
  it('does not delay other accounts, and is served once it is unlocked', async () => {
    const [hot = '', ...others] = await owners[0].openMany(30);
    const holder = new pg.Client(servers[0].databaseUrl);
    await holder.connect();
    await holder.query('begin');
    await holder.query('select from ledger_account where number = $1 for update', [hot]);
    const answered: number[] = [];
    const waiting = Array.from({ length: 60 }, async (_, n) => {
      const answer = await (n % 3 === 0 ? either(n).transfer(hot, others[0] ?? '', 1) : either(n).deposit(hot, 1));
      answered.push(answer.status);
      return answer;
    });

    const rounds = [];
    for (let round = 0; round < 5; round += 1) {
      rounds.push(...(await Promise.all(others.map((account, n) => either(n + round).deposit(account, 1)))));
    }
    rounds.push(
      ...(await Promise.all(
        others.map((account, n) => either(n).transfer(account, others[n - 1] ?? others[28] ?? '', 1)),
      )),
    );

    expect(statuses(rounds)).toEqual([200, 201]);
    expect(answered).toEqual([]);
    await holder.query('commit');
    await holder.end();
    // Its transfers may have been refused, as they may come before the first deposit.
    expect([200, 201, 409]).toEqual(expect.arrayContaining(statuses(await Promise.all(waiting))));
    const paidOut = (await owners[0].balance(others[0] ?? '')) - 5;
    expect(await owners[0].balance(hot)).toBe(40 - paidOut);
  });

  it('for too long is a 503, and nothing is posted', async () => {
    const account = await owners[0].open();
    const holder = new pg.Client(servers[0].databaseUrl);
    await holder.connect();
    await holder.query('begin');
    await holder.query('select from ledger_account where number = $1 for update', [account]);

    const answer = await owners[0].deposit(account, 1);

    expect(answer).toMatchObject({ status: 503, body: { code: 'account_busy' } });
    await holder.query('rollback');
    await holder.end();
    expect(await owners[0].balance(account)).toBe(0);
  }, 40_000);
});

describe('the ledger', () => {
  it('behaves like a simple model of balances', async () => {
    const names = [0, 1, 2] as const;
    const step = fc.record({
      kind: fc.constantFrom('deposit', 'withdraw', 'transfer'),
      of: fc.constantFrom(...names),
      to: fc.constantFrom(...names),
      sum: fc.integer({ min: 1, max: 50 }),
    });
    const limits = fc.tuple(fc.nat(60), fc.nat(60), fc.nat(60));
    await fc.assert(
      fc.asyncProperty(limits, fc.array(step, { maxLength: 25 }), async (limits, steps) => {
        const accounts = await Promise.all(limits.map((limit) => owners[0].open(limit)));
        const model = [0, 0, 0];
        for (const [turn, { kind, of, to, sum }] of steps.entries()) {
          const [account = '', other = ''] = [accounts[of], accounts[to]];
          const isPoor = kind !== 'deposit' && (model[of] ?? 0) - sum < -(limits[of] ?? 0);
          const from = either(turn);
          const answer =
            kind === 'transfer' ? await from.transfer(account, other, sum) : await from[kind](account, sum);
          if (kind === 'transfer' && of === to) expect(answer.status).toBe(400);
          else if (isPoor) expect(answer.status).toBe(409);
          else {
            model[of] = (model[of] ?? 0) + (kind === 'deposit' ? sum : -sum);
            if (kind === 'transfer') model[to] = (model[to] ?? 0) + sum;
            expect(answer.body.balance).toBe(model[of]);
          }
        }
        expect(await Promise.all(accounts.map((account) => owners[1].balance(account)))).toEqual(model);
      }),
      { numRuns: 15 },
    );
  });

  it.each([
    'update ledger_entry set amount = 2',
    'delete from ledger_entry',
    'truncate ledger_entry',
    'update ledger_transfer set amount = 2',
    'delete from ledger_transfer',
    'update ledger_account set overdraft_limit = 2',
    'delete from ledger_account',
    'update ledger_request set outcome = null',
    'delete from ledger_request',
  ])('lets the application not: %s', async (statement) => {
    const em = servers[0].app.get(EntityManager);
    const [row] = await servers[0].query('select min(source_id) as id from ledger_account');

    await expect(withinSource(row.id, () => em.fork().execute(statement))).rejects.toMatchObject({ code: '42501' });
    if (/ledger_(entry|transfer)/.test(statement)) {
      await expect(servers[0].query(statement)).rejects.toThrow('append-only');
    }
  });

  it('fails verification after it was tampered with', async () => {
    const [own = '', other = ''] = await owners[0].openMany(2);
    await owners[0].deposit(own, 10);
    await owners[0].deposit(own, 5);
    await owners[0].transfer(own, other, 3);
    await owners[0].withdraw(own, 2);
    const client = new pg.Client(servers[0].databaseUrl);
    await client.connect();
    const tamper = async (...statements: string[]) => {
      const triggers = (what: string) =>
        `alter table ledger_entry ${what} trigger refuse; alter table ledger_transfer ${what} trigger refuse`;
      await client.query(
        `create table kept_entry as table ledger_entry; create table kept_account as table ledger_account;
         create table kept_transfer as table ledger_transfer; ${triggers('disable')}`,
      );
      for (const statement of statements) await client.query(statement);
      const { faults } = await verifyAccounts(servers[0].databaseUrl);
      await client.query(
        `delete from ledger_entry; insert into ledger_entry table kept_entry;
         delete from ledger_account; insert into ledger_account table kept_account;
         delete from ledger_transfer; insert into ledger_transfer table kept_transfer;
         drop table kept_entry, kept_account, kept_transfer; ${triggers('enable')}`,
      );
      return faults.map(({ source, what }) => (source === owners[0].source ? what : source));
    };

    expect(await tamper(`update ledger_account set balance = balance + 1 where number = ${own}`)).toEqual([
      'its balance is not the sum of its entries, or one of them is missing',
    ]);
    expect(await tamper(`update ledger_entry set amount = amount + 1 where account = ${own} and seq = 1`)).toEqual([
      'its entries are not two that sum to zero and move its amount',
      'its balance is not the sum of its entries, or one of them is missing',
      'a running balance does not follow from the one before',
    ]);
    expect(await tamper(`delete from ledger_entry where account = ${other}`)).toEqual([
      'its entries are not two that sum to zero and move its amount',
      'its balance is not the sum of its entries, or one of them is missing',
    ]);
    expect(await tamper(`update ledger_entry set balance = -1 where account = ${own} and seq = 2`)).toContain(
      'it is, or was, below its limit',
    );
    // The kind used to be unchecked: a deposit that was changed to a withdrawal passed.
    const ofOwn = `id in (select transfer_id from ledger_entry where account = ${own} and seq = `;
    for (const change of ['1 withdrawal', '2 transfer', '3 deposit', '3 withdrawal', '4 deposit', '4 transfer']) {
      const [seq, kind] = change.split(' ');
      expect(await tamper(`update ledger_transfer set kind = '${kind}' where ${ofOwn}${seq})`)).toEqual([
        'its sides are not those of its kind',
      ]);
    }
    const toItself = `update ledger_entry set account = ${own}, seq = 5, balance = 12 where account = ${other}`;
    expect(await tamper(toItself)).toContain('its sides are not those of its kind');
    await client.end();
  });
});
