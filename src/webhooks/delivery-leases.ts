import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { CONFIG, type Config } from '../settings/config.js';
import { acrossSources } from '../database/source-isolation.js';
import { disableEndpoint } from './disable-endpoint.js';
import type { Outcome } from './webhook-post.js';

/**
 * Attempts under way to one endpoint, over all processes: a receiver that hangs occupies no more than these, so that the
 * endpoints of one source together cannot occupy all places of a process.
 */
const MAX_PER_ENDPOINT = 2;

/** A sender that has not renewed its lease for so long is taken for lost. The delivery is sent again within ten seconds. */
const LEASE_SECONDS = 6;

/** Retries are delayed by up to this share more, so that deliveries that failed together do not come back together. */
const JITTER = 0.2;

const GONE = 410;

/** A delivery that this process has leased and is to send now. */
export interface LeasedDelivery {
  id: string;
  lease: string;
  endpoint_id: string;
  payload: string;
  attempts: number;
  url: string;
  secret: string;
  previous_secret: string | null;
}

interface EndpointState {
  enabled: boolean;
  hopeless: boolean;
}

/** Decides which process sends which delivery, and records the outcomes. All times are by the database's clock. */
@Injectable()
export class DeliveryLeases {
  private readonly logger = new Logger(DeliveryLeases.name);

  constructor(
    private readonly em: EntityManager,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Leases the delivery that has been due longest of each endpoint that is not busy, at most `limit`. */
  async take(limit: number): Promise<LeasedDelivery[]> {
    return this.execute<LeasedDelivery>(
      `with due as (
         select d.id, e.url, e.secret,
                case when e.previous_secret_until > now() then e.previous_secret end as previous_secret
           from webhook_endpoint e
          cross join lateral (
            select id, next_attempt_at from webhook_delivery
             where endpoint_id = e.id and status = 'pending' and next_attempt_at <= now()
             order by next_attempt_at limit 1 for update skip locked) d
          where e.enabled
            and (select count(*) from webhook_delivery
                  where endpoint_id = e.id and lease is not null and next_attempt_at > now()) < ?
          order by d.next_attempt_at limit ?)
       update webhook_delivery d
          set lease = gen_random_uuid(), attempts = d.attempts + 1, attempted_at = now(),
              next_attempt_at = now() + make_interval(secs => ?)
         from due where d.id = due.id
       returning d.id, d.lease, d.endpoint_id, d.payload, d.attempts, due.url, due.secret, due.previous_secret`,
      [MAX_PER_ENDPOINT, limit, LEASE_SECONDS],
    );
  }

  /** Renews the leases that have half of their time left or less: most attempts are over before. */
  async renew(deliveries: LeasedDelivery[]): Promise<void> {
    if (deliveries.length === 0) return;
    await this.execute(
      `update webhook_delivery set next_attempt_at = now() + make_interval(secs => ?)
        where lease = any(string_to_array(?, ',')::uuid[]) and status = 'pending'
          and id = any(string_to_array(?, ',')::uuid[])
          and next_attempt_at < now() + make_interval(secs => ?)`,
      [LEASE_SECONDS, joined(deliveries, 'lease'), joined(deliveries, 'id'), LEASE_SECONDS / 2],
    );
  }

  /** Gives back deliveries whose sending was not finished; it does not count as an attempt. */
  async giveBack(deliveries: LeasedDelivery[]): Promise<void> {
    await this.execute(
      `update webhook_delivery set lease = null, attempts = attempts - 1, next_attempt_at = now()
        where lease = any(string_to_array(?, ',')::uuid[]) and status = 'pending'
          and id = any(string_to_array(?, ',')::uuid[])`,
      [joined(deliveries, 'lease'), joined(deliveries, 'id')],
    );
  }

  /**
   * Records how an attempt ended. Has no effect on the delivery if another process has taken the lease meanwhile. If this
   * process is killed before, the lease runs out and the delivery is sent again.
   */
  settle(delivery: LeasedDelivery, outcome: Outcome): Promise<void> {
    return acrossSources(() => this.record(delivery, outcome));
  }

  private async record(delivery: LeasedDelivery, outcome: Outcome): Promise<void> {
    const em = this.em.fork();
    if (outcome.reason === null) {
      await this.finish(em, delivery, outcome, 'delivered');
      await em.execute('update webhook_endpoint set failing_since = null where id = ? and failing_since is not null', [
        delivery.endpoint_id,
      ]);
      return;
    }
    const endpoint = await this.noteFailure(em, delivery.endpoint_id);
    if (!endpoint) return;
    const isGone = outcome.responseStatus === GONE;
    const delay = this.config.WEBHOOK_RETRY_SECONDS[delivery.attempts - 1];
    const isOver = isGone || endpoint.hopeless || !endpoint.enabled || delay === undefined;
    if (isOver) await this.finish(em, delivery, outcome, 'failed');
    else await this.putOff(em, delivery, outcome, delay);
    if (!endpoint.enabled || !(isGone || endpoint.hopeless)) return;
    const reason = isGone ? 'gone' : 'failing';
    await em.transactional((tx) => disableEndpoint(tx, delivery.endpoint_id, reason));
    this.logger.warn({ webhook: delivery.endpoint_id, reason }, 'a webhook endpoint was disabled');
  }

  private execute<Row>(sql: string, values: unknown[]): Promise<Row[]> {
    return acrossSources(() => this.em.fork().execute<Row[]>(sql, values));
  }

  private async finish(em: EntityManager, delivery: LeasedDelivery, outcome: Outcome, status: string): Promise<void> {
    await em.execute(
      `update webhook_delivery set status = ?, response_status = ?, reason = ?, lease = null, next_attempt_at = null,
              finished_at = now()
        where id = ? and lease = ?`,
      [status, outcome.responseStatus, outcome.reason, delivery.id, delivery.lease],
    );
  }

  private async putOff(em: EntityManager, delivery: LeasedDelivery, outcome: Outcome, seconds: number): Promise<void> {
    await em.execute(
      `update webhook_delivery set response_status = ?, reason = ?, lease = null,
              next_attempt_at = now() + make_interval(secs => ?)
        where id = ? and lease = ? and status = 'pending'`,
      [outcome.responseStatus, outcome.reason, seconds * (1 + Math.random() * JITTER), delivery.id, delivery.lease],
    );
  }

  /** @returns null if the endpoint has been deleted */
  private async noteFailure(em: EntityManager, endpointId: string): Promise<EndpointState | null> {
    const [state] = await em.execute<EndpointState[]>(
      `update webhook_endpoint set failing_since = coalesce(failing_since, now()) where id = ?
       returning enabled, failing_since <= now() - make_interval(days => ?) as hopeless`,
      [endpointId, this.config.WEBHOOK_DISABLE_AFTER_DAYS],
    );
    return state ?? null;
  }
}

function joined(deliveries: LeasedDelivery[], key: 'id' | 'lease'): string {
  return deliveries.map((delivery) => delivery[key]).join(',');
}
