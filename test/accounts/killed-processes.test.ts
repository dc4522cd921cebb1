import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { verifyAccounts } from '../../src/accounts/verify-accounts.js';
import { runCli } from '../setup/command-line.js';
import { killServerProcesses, SERVER, ServerProcess } from '../setup/server-process.js';
import { createDatabase, query, until } from '../setup/test-server.js';
import { newKey } from './account-owner.js';

/** How many callers send concurrently. */
const SENDERS = 12;

let databaseUrl: string;
let settings: Record<string, string>;
let server: ServerProcess;

beforeAll(async () => {
  databaseUrl = await createDatabase();
  settings = {
    NODE_ENV: 'test',
    DATABASE_URL: databaseUrl,
    PORT: '0',
    LOG_LEVEL: 'silent',
    RATE_LIMIT_PER_MINUTE: '0',
    QUEUE_PREFIX: `t${randomBytes(4).toString('hex')}`,
  };
  server = await start();
});

afterAll(killServerProcesses);

const start = (): Promise<ServerProcess> => ServerProcess.start(settings, { main: SERVER });

async function ask(path: string, key?: string): Promise<any> {
  const headers = key === undefined ? {} : { 'Idempotency-Key': key };
  const response = await fetch(`${server.url}/api/accounts/${path}`, { method: 'POST', headers });
  if (!response.ok) throw new Error(`answered ${response.status}`);
  return response.json();
}

async function balance(account: string): Promise<number> {
  return ((await (await fetch(`${server.url}/api/accounts/${account}/balance`)).json()) as any).balance;
}

describe('a server that is killed during deposits', () => {
  it('has posted everything that it acknowledged, nothing that was not sent, and nothing by half', async () => {
    const account = (await ask('create')).account_number as string;
    let [sent, acknowledged] = [0, 0];
    const senders = Array.from({ length: SENDERS }, async () => {
      for (;;) {
        sent += 1;
        await ask(`${account}/deposit?sum=1`);
        acknowledged += 1;
      }
    });
    await until('enough is acknowledged', () => acknowledged > 200);
    await server.kill();
    await Promise.allSettled(senders);

    server = await start();

    const kept = await balance(account);
    expect(kept).toBeGreaterThanOrEqual(acknowledged);
    expect(kept).toBeLessThanOrEqual(sent);
    expect((await verifyAccounts(databaseUrl)).faults).toEqual([]);
  }, 60_000);

  it('ends with exactly the requested sum once everything is sent again with its key', async () => {
    const account = (await ask('create')).account_number as string;
    const orders = Array.from({ length: 600 }, (_, n) => ({ sum: n + 1, key: newKey() }));
    let answered = 0;
    const first = orders.values();
    const senders = Array.from({ length: SENDERS }, async () => {
      for (const { sum, key } of first) {
        await ask(`${account}/deposit?sum=${sum}`, key);
        answered += 1;
      }
    });
    await until('some are answered', () => answered > 150);
    await server.kill();
    await Promise.allSettled(senders);
    expect(answered).toBeLessThan(orders.length);
    server = await start();

    const again = orders.values();
    const resent = Array.from({ length: SENDERS }, async () => {
      for (const { sum, key } of again) await ask(`${account}/deposit?sum=${sum}`, key);
    });
    await Promise.all(resent);

    expect(await balance(account)).toBe((600 * 601) / 2);
    const [{ answers }] = await query(databaseUrl, 'select count(*)::int as answers from ledger_request');
    expect(answers).toBe(orders.length);
  }, 60_000);
});

describe('accounts verify', () => {
  const verify = () => runCli(['accounts', 'verify'], { DATABASE_URL: databaseUrl });

  it('reports no faults while a server runs', async () => {
    const { code, stdout } = await verify();

    expect(stdout).toMatch(/^✓ 2 accounts, \d+ transfers and \d+ entries agree\.\n$/);
    expect(code).toBe(0);
  });

  it('names a fault, and fails', async () => {
    await query(
      databaseUrl,
      'update ledger_account set balance = balance + 1 where number = (select min(number) from ledger_account)',
    );

    expect(await verify()).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        /^✗ default \d{16}: its balance is not the sum of its entries, or one of them is missing\.\n/,
      ),
    });
  });
});
