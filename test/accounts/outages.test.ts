import { EntityManager } from '@mikro-orm/postgresql';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { postBatch } from '../../src/accounts/post-batch.js';
import { CASH, type Posting } from '../../src/accounts/posting.js';
import { verifyAccounts } from '../../src/accounts/verify-accounts.js';
import { withinSource } from '../../src/database/source-isolation.js';
import { TcpProxy } from '../http/tcp-proxy.js';
import { createDatabase, query, startTestServer, type TestServer, until } from '../setup/test-server.js';
import { AccountOwner, type Answer } from './account-owner.js';

let databaseUrl: string;
let proxy: TcpProxy;
let server: TestServer;
let owner: AccountOwner;

beforeAll(async () => {
  databaseUrl = await createDatabase();
  proxy = await TcpProxy.to(databaseUrl, 5432);
  server = await startTestServer({ databaseUrl: proxy.way(databaseUrl) });
  owner = new AccountOwner(server);
});

afterAll(async () => {
  await proxy.mend();
  expect((await verifyAccounts(databaseUrl)).faults).toEqual([]);
  await server.close();
  await proxy.cut();
});

/** Sends a deposit, cuts all connections while it is being posted, and lets it be committed nevertheless. */
async function depositWithoutAnswer(account: string): Promise<{ answer: Promise<Answer> }> {
  const holder = new pg.Client(databaseUrl);
  await holder.connect();
  await holder.query('begin');
  await holder.query('select from ledger_account where number = $1 for update', [account]);
  const answer = owner.deposit(account, 5);
  const isWaiting = `select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and query like '%ledger_post%'`;
  await until('the deposit waits for its account', async () => (await query(databaseUrl, isWaiting)).length > 0);
  await proxy.cut();
  await holder.query('commit');
  await holder.end();
  const isPosted = `select from ledger_account where number = '${account}' and balance = 5`;
  await until('it is posted', async () => (await query(databaseUrl, isPosted)).length > 0);
  return { answer };
}

describe('a lost connection to the database', () => {
  it('that stays away too long is answered with outcome_unknown', async () => {
    const account = await owner.open();

    const { answer } = await depositWithoutAnswer(account);

    expect(await answer).toMatchObject({ status: 503, body: { code: 'outcome_unknown' } });

    await proxy.mend();
    await until('the database is back', async () => (await server.fetch('/health')).ok);
    expect(await owner.balance(account)).toBe(5);
  });

  it('during postings has none of them lost or posted twice', async () => {
    const account = await owner.open();
    const cut = () =>
      query(
        databaseUrl,
        `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and query like '%ledger_post%' and pid <> pg_backend_pid()`,
      );
    let isOver = false;
    const answers: Answer[] = [];
    const posting = Promise.all(
      Array.from({ length: 8 }, async () => {
        while (!isOver) answers.push(await owner.deposit(account, 1));
      }),
    );

    let lost = 0;
    await until('ten connections are lost', async () => (lost += (await cut()).length) >= 10);
    isOver = true;
    await posting;

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await owner.balance(account)).toBe(answers.length);
  });

  it('after the commit allows the request to be sent again', async () => {
    const accounts = await owner.openMany(2, 10);
    const [payer = '', payee = ''] = accounts;
    const [row] = await query(databaseUrl, 'select source_id as id from ledger_account where number = $1', [payer]);
    const common = { sumCents: 4, idempotencyKey: null, by: 'somebody' };
    const postings: Posting[] = [
      { id: uuidv7(), kind: 'transfer', payer, payee, ...common },
      { id: uuidv7(), kind: 'deposit', payer: CASH, payee, ...common },
      { id: uuidv7(), kind: 'withdrawal', payer, payee: CASH, ...common, sumCents: 7 },
    ];
    const post = (isRepeated: boolean) =>
      withinSource(row.id, () =>
        postBatch(server.app.get(EntityManager), { sourceId: row.id, postings, waits: [], isRepeated }),
      );

    const { verdicts } = await post(false);
    const again = await post(true);

    expect(again.verdicts).toEqual(verdicts);
    expect(verdicts.map(({ outcome }) => outcome)).toEqual(['posted', 'posted', 'insufficient_funds']);
    expect(await Promise.all(accounts.map((account) => owner.balance(account)))).toEqual([-4, 8]);
  });

  it('that loses the answer to a commit is made again, and nothing is posted twice', async () => {
    const account = await owner.open();

    const { answer } = await depositWithoutAnswer(account);
    await proxy.mend();

    expect(await answer).toEqual({ status: 200, body: { balance: 5 } });
    expect(await owner.balance(account)).toBe(5);
  });
});
