import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { Installation } from '../declared/installation.js';
import { runProcess, startCommand } from '../setup/command-line.js';
import { oneIn } from '../setup/exhaustive.js';
import { killServerProcesses, SERVER, ServerProcess } from '../setup/server-process.js';
import { backendsInTurn, REDIS_URL, until } from '../setup/test-server.js';
import { computeTruth } from './made-data.js';
import { asking, Bank, beginPull, closingsOf, endOf, type Pull, RAILS, rowsOf } from './puller.js';

let bank: Bank;
let here: Installation;
const commands: ChildProcess[] = [];

beforeAll(async () => {
  bank = await Bank.open({ companies: 20, sepa: 600, swift: 600 });
  here = await Installation.create();
}, 60_000);

afterAll(async () => {
  await here?.close();
  await bank?.close();
});

afterEach(async () => {
  await killServerProcesses();
  for (const command of commands.splice(0)) command.kill('SIGKILL');
  await bank.stopAll();
});

const settings = (more: Record<string, string> = {}) => ({
  ...here.environment,
  NODE_ENV: 'test',
  PORT: '0',
  LOG_LEVEL: 'silent',
  PULL_TIMEOUT_SECONDS: '1',
  PULL_RETRY_MS: '50',
  WORKER_SILENCE_MS: '1000',
  ...more,
});

const start = (more?: Record<string, string>) => ServerProcess.start(settings(more), { main: SERVER });

/** Serves the bank in a process of its own, which can be killed. */
async function exposeApart(dialect: string, port: string): Promise<{ url: string; command: ChildProcess }> {
  const command = startCommand(['cashflow', 'expose', '--data', bank.folder, '--dialect', dialect, '--port', port], {});
  commands.push(command);
  let text = '';
  command.stdout?.on('data', (bytes: Buffer) => (text += bytes.toString()));
  await until('it serves', () => text.includes('http://'));
  return { url: /http:\/\/\S+/.exec(text)?.[0] ?? '', command };
}

/** Waits until a pull has received some rows beyond a number of them. */
async function hasMoved(server: ServerProcess, id: string, source: string, beyond: number): Promise<number> {
  let processed = 0;
  await until('the pull moves', async () => {
    const { body } = await asking(server, source)(`/cashflow/pulls/${id}`);
    processed = body.progress.processed;
    return processed > beyond;
  });
  return processed;
}

describe.each(oneIn(2, ['own', 'paged'] as const))('a pull of the dialect %s', (dialect) => {
  it('goes on after both sides were killed, with nothing twice and nothing lost', async () => {
    const source = `killed-${dialect}`;
    const { url, command } = await exposeApart(dialect, '0');
    let server = await start();
    const { id } = await beginPull(server, url, {}, source);
    let processed = await hasMoved(server, id, source, 20);
    for (let time = 0; time < 2; time++) {
      await server.kill();
      server = await start();
      if (dialect === 'own') processed = await hasMoved(server, id, source, processed + 20);
    }
    command.kill('SIGKILL');
    await once(command, 'exit');
    await exposeApart(dialect, new URL(url).port);

    const done = await endOf(server, id, source);

    expect(done).toMatchObject({ status: 'completed', gaps: [], counts: { deleted: 0 } });
    for (const rail of RAILS) expect(await rowsOf(server, rail, source)).toEqual(bank.rows(rail));
    expect(done.progress.processed).toBe(done.counts.received);
    expect(await closingsOf(server, source)).toEqual(computeTruth(bank.folder).toSorted());
  }, 240_000);
});

it('a server that is told to stop gives its pull back, which loses nothing of a source that keeps the cursor', async () => {
  const source = 'stopped';
  const url = await bank.expose('glued');
  const server = await start();
  const { id } = await beginPull(server, url, {}, source);
  await hasMoved(server, id, source, 100);
  await server.stop();
  const next = await start();

  expect(await endOf(next, id, source)).toMatchObject({ status: 'completed', gaps: [] });
  for (const rail of RAILS) expect(await rowsOf(next, rail, source)).toEqual(bank.rows(rail));
}, 240_000);

describe.each(backendsInTurn(0))('a schedule with its queue on %s', (backend) => {
  it('pulls again and again until it is ended', async () => {
    const source = `scheduled-${backend}`;
    const url = await bank.expose('paged');
    const server = await start(backend === 'redis' ? { REDIS_URL, QUEUE_PREFIX: `t${process.pid}` } : {});
    const ask = asking(server, source);
    const first = await beginPull(server, url, { every: 'PT1M' }, source);
    expect(first).toMatchObject({ every: 'PT1M', scheduledBy: null });
    await endOf(server, first.id, source);

    // A minute is long for a test.
    await here.query(`update cashflow_pull set next_at = now() where id = $1`, [first.id]);
    let second: Pull | undefined;
    await until(
      'it pulls again',
      async () => {
        const { body } = await ask('/cashflow/pulls');
        second = body.items.find(({ id, status }: Pull) => id !== first.id && status === 'completed');
        return second !== undefined;
      },
      60_000,
    );
    expect(second).toMatchObject({
      every: 'PT1M',
      scheduledBy: first.id,
      counts: { created: 0, updated: 0, deleted: 0 },
    });
    const refused = await ask('/cashflow/pulls', { method: 'POST', body: JSON.stringify({ baseUrl: url }) });
    expect([refused.status, refused.body.detail.includes(first.id)]).toEqual([409, true]);

    expect((await ask(`/cashflow/pulls/${first.id}`, { method: 'DELETE' })).status).toBe(204);
    expect((await ask(`/cashflow/pulls/${first.id}`)).body).toMatchObject({ nextAt: null, status: 'completed' });
    const again = await ask('/cashflow/pulls', { method: 'POST', body: JSON.stringify({ baseUrl: url }) });
    expect(again.status).toBe(202);
    await endOf(server, again.body.id, source);
  }, 240_000);
});

it('the command pulls and shows what came', async () => {
  const url = await bank.expose('paged');
  const server = await start();

  // In this process a command has 25 seconds, which is too little for a hundred jobs on a busy machine.
  const { code, stdout } = await runProcess(
    ['cashflow', 'pull', '--base-url', url, '--url', server.url, '--source', 'command', '--dialect', 'paged'],
    {},
  );

  expect(stdout).toMatch(/✓ pull completed/);
  expect(stdout).toMatch(/swift +\d+ +600 +\d+/);
  expect(code).toBe(0);
}, 240_000);
