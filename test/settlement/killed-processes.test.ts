import { getQueueToken } from '@nestjs/bullmq';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Queue } from 'bullmq';
import { PAYMENT_QUEUES } from '../../src/settlement/payment-messages.js';
import type { Step } from '../../src/runtime/steps.js';
import { type Fault, Stage } from '../faults/stage.js';
import { killServerProcesses, type ServerProcess } from '../setup/server-process.js';
import { backendsInTurn, startTestServer, until } from '../setup/test-server.js';

/** Between any two of these steps, the relay or the consumer has changed something that other processes can see. */
const STEPS: Step[] = [
  'notifications taken',
  'payments service notified',
  'notifications marked',
  'notification received',
  'payment settled',
];

/** An amount that is settled, and one above the maximum. */
const SMALL = '116.85';
const LARGE = '5000';

const SETTINGS = { PAYMENT_MAX_AMOUNT: '1000', PAYMENT_RETRY_MS: '20' };

describe.each(backendsInTurn(0))('on the %s queue', (backend) => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.set(backend);
    await stage.api.query(`insert into source (name) values ('clinic')`);
    // Its relay would take the notifications that the processes under test are to relay.
    await stage.strike();
  });

  afterEach(killServerProcesses);

  it('relays and consumers that are killed, one at each step, settle every claim exactly once', async () => {
    for (const step of STEPS) {
      await addClaims(3, SMALL);
      const killed = await start({ FAULT_DIE_AT: step });
      expect({ step, ...(await killed.exited) }).toMatchObject({ step, signal: 'SIGKILL' });
    }

    await addClaims(500, SMALL);
    const stopped = await start();
    await until('it is at work', async () => (await account()).settled > 50);
    stopped.signal('SIGTERM');
    expect(await stopped.exited).toEqual({ code: 0, signal: null });

    await start();
    await allAreSettled();
  }, 90_000);

  it.each(['payments service notified', 'notification received'])(
    'a process that is paused at "%s" has no second effect when it resumes late',
    async (step) => {
      await addClaims(3, SMALL);
      const paused = await start({ FAULT_PAUSE_AT: step });
      await start();
      await allAreSettled();
      const before = await account();

      paused.signal('SIGCONT');
      // Once these are settled, all earlier messages have been processed too, whichever process took them.
      await addClaims(20, SMALL);

      await allAreSettled();
      const { claims: known, paid } = await account();
      expect({ known, paid }).toEqual({ known: before.claims + 20, paid: before.paid + 20 });
    },
    60_000,
  );

  it('a failed claim gets a dead letter and can be retried, even if the processes that do so are killed', async () => {
    await addClaims(1, LARGE);
    const killed = await start({ FAULT_DIE_AT: 'payment failure recorded' });
    expect(await killed.exited).toMatchObject({ signal: 'SIGKILL' });
    const { databaseUrl, config } = stage.api;
    const api = await startTestServer({ backend, databaseUrl, ROLE: 'api', QUEUE_PREFIX: config.QUEUE_PREFIX });
    const letters = api.app.get<Queue>(getQueueToken(PAYMENT_QUEUES.deadLetters));
    const isDeadLettered = async () => (await letters.getWaitingCount()) === 1;
    await until('it is a dead letter', isDeadLettered);

    const [failed] = await api.query(`select claim_id from payment_notification where status = 'failed'`);
    const retry = { method: 'POST', headers: { 'X-Source': 'clinic' } };
    const killedApi = await stage.process('api', { FAULT_DIE_AT: 'dead letter removed' });
    await expect(fetch(`${killedApi.url}/claims/${failed.claim_id}/payment/retry`, retry)).rejects.toThrow(
      'fetch failed',
    );
    expect(await killedApi.exited).toMatchObject({ signal: 'SIGKILL' });
    await start();
    await until('it is a dead letter again', isDeadLettered);

    await api.query('update payment_notification set net_fee = 1000 where claim_id = $1', [failed.claim_id]);
    expect((await api.fetch(`/claims/${failed.claim_id}/payment/retry`, retry)).status).toBe(202);
    await allAreSettled();
    expect(await letters.getWaitingCount()).toBe(0);
    await api.close();
  }, 60_000);

  function start(fault: Fault = {}): Promise<ServerProcess> {
    return stage.process('payments', fault, SETTINGS);
  }

  /** Inserts notifications of so many claims without announcing them. */
  async function addClaims(count: number, netFee: string): Promise<void> {
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
