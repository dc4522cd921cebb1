import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { UnrecoverableError } from 'bullmq';
import { Counter, Registry } from 'prom-client';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG, type Config } from '../platform/config.js';
import { isOutage, isTooSlow, sqlState } from '../platform/outage.js';
import { safeError } from '../platform/safe-error.js';
import { atStep } from '../platform/steps.js';
import { withinSource } from '../platform/source-isolation.js';
import type { PaymentMessage } from './payment-queues.js';

/** Why the payments service will not settle a claim, however often it is told. */
const TOO_LARGE = 'amount_above_maximum';

/** Which attempt at a message this is, from 1. */
export interface Attempt {
  number: number;
  isLast: boolean;
}

/** `not now`: the database is away, which is nobody's fault. Nothing is written down of it, and it is no attempt. */
type Outcome = 'settled' | 'nothing to do' | 'not now';

type Written = 'settled' | 'nothing to do' | 'refused';

/**
 * Settles the payment of a claim: one statement, so that its effect and the word of it commit together. The row of the
 * notification is locked and looked at first: whoever comes second, or late, finds nothing left to do.
 */
@Injectable()
export class PaymentSettlement {
  private readonly logger = new Logger(PaymentSettlement.name);
  private readonly counter: Counter<'outcome'>;

  constructor(
    private readonly em: EntityManager,
    @Inject(CONFIG) private readonly config: Config,
    registry: Registry,
  ) {
    this.counter = new Counter({
      name: 'counterpart_claim_payment_messages_total',
      help: 'Messages to the payments service by what came of them: settled, repeated, refused, or error',
      labelNames: ['outcome'],
      registers: [registry],
    });
  }

  /** @throws Error of our own words alone, as the queue keeps them: to be tried again, unless it is unrecoverable */
  settle(message: PaymentMessage, attempt: Attempt): Promise<Outcome> {
    return withinSource(message.sourceId, () => this.settleWithin(message, attempt));
  }

  private async settleWithin(message: PaymentMessage, attempt: Attempt): Promise<Outcome> {
    let written: Written;
    try {
      written = await this.write(message, attempt);
    } catch (error) {
      if (isOutage(error) || isTooSlow(error)) return 'not now';
      this.counter.inc({ outcome: 'error' });
      throw await this.afterError(message, attempt, error);
    }
    this.counter.inc({ outcome: written === 'nothing to do' ? 'repeated' : written });
    if (written === 'refused') {
      await this.noteFailure(message, { ...attempt, isLast: true }, TOO_LARGE);
      throw new UnrecoverableError(TOO_LARGE);
    }
    atStep('payment settled');
    return written;
  }

  private async write({ sourceId, claimId }: PaymentMessage, attempt: Attempt): Promise<Written> {
    const [found] = await this.em.fork().execute<{ refused: boolean }[]>(
      `with found as (
         select source_id, claim_id, net_fee, coalesce(abs(net_fee) > ?::numeric, false) as refused
           from payment_notification
          where source_id = ? and claim_id = ? and status in ('pending', 'notified') for update),
       paid as (
         insert into claim_payment (source_id, id, claim_id, net_fee)
         select source_id, ?, claim_id, net_fee from found where not refused
         on conflict (source_id, claim_id) do nothing),
       told as (
         update payment_notification n
            set status = 'settled', attempts = ?, reason = null, relayed_at = coalesce(relayed_at, now()), updated = now()
           from found where not found.refused and n.source_id = found.source_id and n.claim_id = found.claim_id)
       select refused from found`,
      [this.config.PAYMENT_MAX_AMOUNT ?? null, sourceId, claimId, uuidv7(), attempt.number],
    );
    if (!found) return 'nothing to do';
    return found.refused ? 'refused' : 'settled';
  }

  /** If the failure of the last attempt cannot be written down, the rescue finds the queue done with it, and tells it anew. */
  private async afterError(message: PaymentMessage, attempt: Attempt, error: unknown): Promise<Error> {
    const { claimId: claim } = message;
    const { type, code } = safeError(error);
    const reason = sqlState(error) ?? code ?? type;
    this.logger.warn({ claim, err: safeError(error) }, 'a payment was not settled');
    await this.noteFailure(message, attempt, reason).catch((cause: unknown) =>
      this.logger.warn({ claim, err: safeError(cause) }, 'nor could that be written down'),
    );
    return new Error(reason);
  }

  /** What has failed for good is for the relay to bury; a message of an earlier round has no say any more. */
  private async noteFailure({ sourceId, claimId, round }: PaymentMessage, attempt: Attempt, reason: string) {
    await this.em.fork().execute(
      `update payment_notification
          set attempts = ?, reason = ?, updated = now(),
              status = case when ? then 'failed' else status end,
              relayed_at = case when ? then null else relayed_at end
        where source_id = ? and claim_id = ? and round = ? and status in ('pending', 'notified')`,
      [attempt.number, reason, attempt.isLast, attempt.isLast, sourceId, claimId, round],
    );
    atStep('payment failure recorded');
  }
}
