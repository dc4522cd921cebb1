import { getQueueToken } from '@nestjs/bullmq';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Queue } from 'bullmq';
import { PAYMENT_QUEUES } from '../../src/claim-payments/payment-queues.js';
import type { Step } from '../../src/platform/steps.js';
import { type Fault, Stage } from '../faults/stage.js';
import { killServerProcesses, type ServerProcess } from '../setup/server-process.js';
import { BACKENDS, startTestServer, until } from '../setup/test-server.js';

/** Between any two of these the relay or the consumer has done something that somebody else can see. */
const STEPS: Step[] = [
  'notifications taken',
  'payments service notified',
  'notifications marked',
  'notification received',
  'payment settled',
];

/** What is settled without anybody's doing, and what is not. */
const SMALL = '116.85';
const LARGE = '5000';

const SETTINGS = { PAYMENT_MAX_AMOUNT: '1000', PAYMENT_RETRY_MS: '20' };

describe.each(BACKENDS)('on the %s queue', (backend) => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.set(backend);
    await stage.api.query(`insert into source (name) values ('clinic')`);
    // It would relay what those who die are to relay.
    await stage.strike();
  });

  afterEach(killServerProcesses);

  it('relays and consumers that die at one step after the other settle all, and each once', async () => {
    for (const step of STEPS) {
      await claims(3, SMALL);
      const dying = await start({ FAULT_DIE_AT: step });
      expect({ step, ...(await dying.exited) }).toMatchObject({ step, signal: 'SIGKILL' });
    }

    await claims(500, SMALL);
    const stopped = await start();
    await until('it is at work', async () => (await account()).settled > 50);
    stopped.signal('SIGTERM');
    expect(await stopped.exited).toEqual({ code: 0, signal: null });

    await start();
    await allAreSettled();
  }, 90_000);

  // What a relay has locked, it has locked in the database, whichever queue it tells.
  const stepsToPauseAt: Step[] =
    backend === 'postgresql' ? ['payments service notified', 'notification received'] : ['notification received'];

  it.each(stepsToPauseAt)(
    'who is paused at "%s" has no second effect when waking up late',
    async (step) => {
      await claims(3, SMALL);
      const paused = await start({ FAULT_PAUSE_AT: step });
      await start();
      await allAreSettled();
      const before = await account();

      paused.signal('SIGCONT');
      // Whoever takes it, all that came before has been put away by then.
      await claims(20, SMALL);

      await allAreSettled();
      const { claims: known, paid } = await account();
      expect({ known, paid }).toEqual({ known: before.claims + 20, paid: before.paid + 20 });
    },
    60_000,
  );

  it('a failure is buried and told again, though whoever found it out and whoever retried it died', async () => {
    await claims(1, LARGE);
    const dying = await start({ FAULT_DIE_AT: 'payment failure recorded' });
    expect(await dying.exited).toMatchObject({ signal: 'SIGKILL' });
    const { databaseUrl, config } = stage.api;
    const api = await startTestServer({ backend, databaseUrl, ROLE: 'api', QUEUE_PREFIX: config.QUEUE_PREFIX });
    const letters = api.app.get<Queue>(getQueueToken(PAYMENT_QUEUES.deadLetters));
    const isBuried = async () => (await letters.getWaitingCount()) === 1;
    await until('it is buried', isBuried);

    const [failed] = await api.query(`select claim_id from payment_notification where status = 'failed'`);
    const retry = { method: 'POST', headers: { 'X-Source': 'clinic' } };
    const mortal = await stage.process('api', { FAULT_DIE_AT: 'dead letter removed' });
    await expect(fetch(`${mortal.url}/claims/${failed.claim_id}/payment/retry`, retry)).rejects.toThrow('fetch failed');
    expect(await mortal.exited).toMatchObject({ signal: 'SIGKILL' });
    await start();
    await until('it is buried again', isBuried);

    await api.query('update payment_notification set net_fee = 1000 where claim_id = $1', [failed.claim_id]);
    expect((await api.fetch(`/claims/${failed.claim_id}/payment/retry`, retry)).status).toBe(202);
    await allAreSettled();
    expect(await letters.getWaitingCount()).toBe(0);
    await api.close();
  }, 60_000);

  function start(fault: Fault = {}): Promise<ServerProcess> {
    return stage.process('payments', fault, SETTINGS);
  }

  /** Leaves word of so many claims, and announces it to nobody. */
  async function claims(count: number, netFee: string): Promise<void> {
    await stage.api.query(
      `insert into payment_notification (source_id, claim_id, net_fee)
       select id, gen_random_uuid(), $1 from source, generate_series(1, $2)`,
      [netFee, count],
    );
  }

  async function account(): Promise<{ claims: number; settled: number; paid: number }> {
    const [row] = await stage.api.query(
      `select count(*)::int as claims, count(*) filter (where status = 'settled')::int as settled,
              (select count(*)::int from claim_payment) as paid from payment_notification`,
    );
    return row;
  }

  async function allAreSettled(): Promise<void> {
    await until('all are settled', async () => {
      const { claims: known, settled } = await account();
      return settled === known;
    });
    const { claims: known, paid } = await account();
    expect(paid).toBe(known);
  }
});
