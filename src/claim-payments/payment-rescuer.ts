import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { PeriodicTask } from '../platform/periodic-task.js';
import { acrossSources } from '../platform/source-isolation.js';
import type { PaymentMessage } from './payment-queues.js';
import { PaymentQueue } from './payment-queue.js';
import { PaymentRelay } from './payment-relay.js';

const PAUSE_MS = 2_000;

/** What was told a moment ago is on its way, or being written down. */
const SETTLING_SECONDS = 5;

/** Notifications of one look at the queue. */
const BATCH = 200;

type Place = [sourceId: number, claimId: string];

/** Before all places. */
const START: Place = [0, '00000000-0000-0000-0000-000000000000'];

interface Told extends PaymentMessage {
  status: 'notified' | 'failed';
}

/**
 * Looks after what the queue should know and may have lost: it was emptied, or gave a message up while the database was
 * away. Walks through all that is told and not settled, a piece in each round, and on and on while it finds something.
 */
@Injectable()
export class PaymentRescuer {
  readonly task = new PeriodicTask({
    name: 'looking for lost payments',
    pauseMs: PAUSE_MS,
    run: (stopping) => acrossSources(() => this.rescue(stopping)),
  });
  private place = START;

  constructor(
    private readonly em: EntityManager,
    private readonly queue: PaymentQueue,
    private readonly relay: PaymentRelay,
  ) {}

  private async rescue(stopping: AbortSignal): Promise<void> {
    while (!stopping.aborted && (await this.rescueBatch()) > 0) this.relay.wake();
  }

  /** @returns how many were lost */
  private async rescueBatch(): Promise<number> {
    const told = await this.em.fork().execute<Told[]>(
      `select source_id as "sourceId", claim_id as "claimId", round, status from payment_notification
        where status in ('notified', 'failed') and relayed_at < now() - make_interval(secs => ?)
          and (source_id, claim_id) > (?, ?::uuid)
        order by source_id, claim_id limit ?`,
      [SETTLING_SECONDS, ...this.place, BATCH],
    );
    const last = told.at(-1);
    if (last === undefined) {
      this.place = START;
      return 0;
    }
    await this.queue.mustAnswer();
    const lost = [
      ...(await this.queue.findLost(told.filter(({ status }) => status === 'notified'))),
      ...(await this.queue.findUnburied(told.filter(({ status }) => status === 'failed'))),
    ];
    await this.tellAgain(lost);
    this.place = told.length < BATCH ? START : [last.sourceId, last.claimId];
    return lost.length;
  }

  /** A new round makes a new message, where the queue may still know the old one as done. */
  private async tellAgain(lost: Told[]): Promise<void> {
    if (lost.length === 0) return;
    await this.em.fork().execute(
      `update payment_notification n
          set status = case n.status when 'notified' then 'pending' else n.status end,
              round = case n.status when 'notified' then n.round + 1 else n.round end, relayed_at = null
         from json_to_recordset(?) as lost ("sourceId" int, "claimId" uuid, round int, status text)
        where n.source_id = lost."sourceId" and n.claim_id = lost."claimId" and n.round = lost.round
          and n.status = lost.status`,
      [JSON.stringify(lost)],
    );
  }
}
