import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { PeriodicTask } from '../runtime/periodic-task.js';
import { acrossSources } from '../database/source-isolation.js';
import type { PaymentMessage } from './payment-messages.js';
import { PaymentQueue } from './payment-queue.js';
import { PaymentRelay } from './payment-relay.js';

const PAUSE_MS = 2_000;

/** Younger notifications are left alone: they may still be on their way, or about to be marked as settled. */
const SETTLING_SECONDS = 5;

/** Notifications that are compared with the queue at a time. */
const BATCH = 200;

type Position = [sourceId: number, claimId: string];

/** Before every notification. */
const START: Position = [0, '00000000-0000-0000-0000-000000000000'];

interface RelayedNotification extends PaymentMessage {
  status: 'notified' | 'failed';
}

/**
 * Finds notifications whose message the queue has lost, and has the relay send them again. A queue loses messages when it
 * is emptied, or when it gives one up while the database is unreachable. Each pass compares the next batch of relayed but
 * unsettled notifications with the queue, and goes on with further batches as long as it finds lost ones.
 */
@Injectable()
export class PaymentRescuer {
  readonly task = new PeriodicTask({
    name: 'looking for lost payments',
    pauseMs: PAUSE_MS,
    run: (stopping) => acrossSources(() => this.rescue(stopping)),
  });
  private position = START;

  constructor(
    private readonly em: EntityManager,
    private readonly queue: PaymentQueue,
    private readonly relay: PaymentRelay,
  ) {}

  private async rescue(stopping: AbortSignal): Promise<void> {
    while (!stopping.aborted && (await this.rescueBatch()) > 0) this.relay.wake();
  }

  /** @returns the number of lost messages */
  private async rescueBatch(): Promise<number> {
    const relayed = await this.em.fork().execute<RelayedNotification[]>(
      `select source_id as "sourceId", claim_id as "claimId", round, status from payment_notification
        where status in ('notified', 'failed') and relayed_at < now() - make_interval(secs => ?)
          and (source_id, claim_id) > (?, ?::uuid)
        order by source_id, claim_id limit ?`,
      [SETTLING_SECONDS, ...this.position, BATCH],
    );
    const last = relayed.at(-1);
    if (last === undefined) {
      this.position = START;
      return 0;
    }
    await this.queue.mustAnswer();
    const lost = [
      ...(await this.queue.findLost(relayed.filter(({ status }) => status === 'notified'))),
      ...(await this.queue.findWithoutDeadLetter(relayed.filter(({ status }) => status === 'failed'))),
    ];
    await this.markForRelay(lost);
    this.position = relayed.length < BATCH ? START : [last.sourceId, last.claimId];
    return lost.length;
  }

  /** A lost message gets a new round and so a new id: the queue may still know the old id as done, and would ignore it. */
  private async markForRelay(lost: RelayedNotification[]): Promise<void> {
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
