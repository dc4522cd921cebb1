import { LockMode } from '@mikro-orm/core';
import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7, validate as isUuid } from 'uuid';
import { Cursors, listScope } from '../http/cursors.js';
import type { Page } from '../http/paging.js';
import { Refusal } from '../http/refusal.js';
import { databaseNow } from '../sync/leases/job-leases.js';
import { WebhookDelivery } from '../outbox/webhook-delivery.entity.js';
import { WebhookEndpoint } from './webhook-endpoint.entity.js';
import { pingBody } from './webhook-event.js';
import type { ListDeliveries } from './webhook.dto.js';

/** Deliveries that one request may replay; a further request replays the rest. */
const MAX_REPLAYED = 10_000;

/** Makes a delivery due at once, with the whole schedule of retries ahead of it. */
const DUE_AGAIN = `status = 'pending', attempts = 0, lease = null, next_attempt_at = now(), finished_at = null`;

/** Lists the deliveries of an endpoint, and replays them. */
@Injectable()
export class WebhookDeliveries {
  constructor(
    private readonly em: EntityManager,
    private readonly cursors: Cursors,
  ) {}

  /** Newest first. */
  async list({ id, sourceId }: WebhookEndpoint, query: ListDeliveries): Promise<Page<WebhookDelivery>> {
    const scope = listScope('deliveries', sourceId, { endpoint: id, status: query.status });
    const after = this.cursors.read(query.cursor, scope, 1)?.[0];
    const found = await this.em.fork().find(
      WebhookDelivery,
      {
        sourceId,
        endpointId: id,
        ...(query.status ? { status: query.status } : {}),
        ...(after ? { id: { $lt: after } } : {}),
      },
      { orderBy: { id: 'desc' }, limit: query.limit + 1 },
    );
    return this.cursors.toPage(found, query.limit, scope, (delivery) => [delivery.id]);
  }

  /** Sends a delivery again, whatever its status, under the same `webhook-id`. @throws Refusal 404, 409 */
  async replay(endpoint: WebhookEndpoint, id: string): Promise<WebhookDelivery> {
    return this.whileEnabled(endpoint, async (em) => {
      const replayed = isUuid(id)
        ? await em.execute<object[]>(
            `update webhook_delivery set ${DUE_AGAIN} where source_id = ? and endpoint_id = ? and id = ? returning 1`,
            [endpoint.sourceId, endpoint.id, id],
          )
        : [];
      if (replayed.length === 0) throw Refusal.notFound('delivery');
      return em.findOneOrFail(WebhookDelivery, id);
    });
  }

  /** Sends all failed deliveries again that were created since then, the oldest first. @returns how many @throws Refusal 409 */
  async replaySince(endpoint: WebhookEndpoint, since: Date): Promise<number> {
    return this.whileEnabled(endpoint, async (em) => {
      const [row] = await em.execute<{ replayed: number }[]>(
        `with replayed as (
           update webhook_delivery set ${DUE_AGAIN} where id in (
             select id from webhook_delivery
              where source_id = ? and endpoint_id = ? and status = 'failed' and created >= ?
              order by id limit ? for update skip locked)
           returning 1)
         select count(*)::int as replayed from replayed`,
        [endpoint.sourceId, endpoint.id, since, MAX_REPLAYED],
      );
      return row?.replayed ?? 0;
    });
  }

  /** Sends a `ping`. @throws Refusal 409 */
  async ping(endpoint: WebhookEndpoint, source: string): Promise<WebhookDelivery> {
    return this.whileEnabled(endpoint, async (em) => {
      const created = await databaseNow(em);
      const payload = JSON.stringify(pingBody(endpoint.id, source, created));
      const { id: endpointId, sourceId } = endpoint;
      const ping = { id: uuidv7(), sourceId, endpointId, type: 'ping', jobId: null, payload, created } as const;
      const delivery = WebhookDelivery.of(ping);
      em.persist(delivery);
      return delivery;
    });
  }

  /** The lock keeps the endpoint from changing meanwhile. It is taken before locks on deliveries, as everywhere. */
  private async whileEnabled<T>(
    { id, sourceId }: WebhookEndpoint,
    work: (em: EntityManager) => Promise<T>,
  ): Promise<T> {
    return this.em.fork().transactional(async (em) => {
      const endpoint = await em.findOne(WebhookEndpoint, { id, sourceId }, { lockMode: LockMode.PESSIMISTIC_WRITE });
      if (!endpoint) throw Refusal.notFound('webhook');
      if (!endpoint.enabled) throw new Refusal(409, 'webhook_disabled', 'The webhook is disabled; enable it first.');
      return work(em);
    });
  }
}
