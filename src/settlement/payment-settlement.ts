import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { UnrecoverableError } from 'bullmq';
import { Counter, Registry } from 'prom-client';
import { v7 as uuidv7 } from 'uuid';
import { CONFIG, type Config } from '../settings/config.js';
import { isOutage, isTooSlow, sqlState } from '../database/outage.js';
import { safeError } from '../logging/safe-error.js';
import { atStep } from '../runtime/steps.js';
import { withinSource } from '../database/source-isolation.js';
import type { PaymentMessage } from './payment-messages.js';

/** The reason for refusing a claim above `PAYMENT_MAX_AMOUNT`. Retrying does not change it. */
const TOO_LARGE = 'amount_above_maximum';

/** Which attempt at a message this is, counted from 1. */
export interface Attempt {
  number: number;
  isLast: boolean;
}

/** `not now`: the database is unreachable, full or too slow. Nothing is recorded, and it does not count as an attempt. */
type Outcome = 'settled' | 'nothing to do' | 'not now';

type Written = 'settled' | 'nothing to do' | 'refused';

/**
 * Settles the payment of a claim in one statement, so that the payment and the new state of its notification commit
 * together. The statement locks the notification and checks its state first, so a repeated or late message has no effect.
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
      help: 'Messages to the payments service by outcome: settled, repeated, refused, or error',
      labelNames: ['outcome'],
      registers: [registry],
    });
  }

  /** @throws Error with a code as its message, as the queue stores it; to be retried, unless it is an UnrecoverableError */
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
       settled as (
         update payment_notification n
            set status = 'settled', attempts = ?, reason = null, relayed_at = coalesce(relayed_at, now()), updated = now()
           from found where not found.refused and n.source_id = found.source_id and n.claim_id = found.claim_id)
       select refused from found`,
      [this.config.PAYMENT_MAX_AMOUNT ?? null, sourceId, claimId, uuidv7(), attempt.number],
    );
    if (!found) return 'nothing to do';
    return found.refused ? 'refused' : 'settled';
  }

  /** If the last failure cannot be recorded, `PaymentRescuer` finds that the queue gave the message up, and requeues it. */
  private async afterError(message: PaymentMessage, attempt: Attempt, error: unknown): Promise<Error> {
    const { claimId: claim } = message;
    const { type, code } = safeError(error);
    const reason = sqlState(error) ?? code ?? type;
    this.logger.warn({ claim, err: safeError(error) }, 'a payment was not settled');
    await this.noteFailure(message, attempt, reason).catch((cause: unknown) =>
      this.logger.warn({ claim, err: safeError(cause) }, 'the failure of a payment was not recorded'),
    );
    return new Error(reason);
  }

  /** After the last attempt the relay adds a dead letter. A message of an earlier round changes nothing. */
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
