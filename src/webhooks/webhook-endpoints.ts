import { LockMode } from '@mikro-orm/core';
import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { v7 as uuidv7, validate as isUuid } from 'uuid';
import { CONFIG, type Config } from '../settings/config.js';
import { Cursors, listScope } from '../http/cursors.js';
import type { Page, PageQuery } from '../http/paging.js';
import { Refusal } from '../http/refusal.js';
import { databaseNow } from '../sync/leases/job-leases.js';
import { disableEndpoint } from './disable-endpoint.js';
import { WebhookEndpoint } from './webhook-endpoint.entity.js';
import { EVENTS } from '../outbox/event-types.js';
import { newSecret } from './webhook-signature.js';
import { WebhookTargets } from './webhook-targets.js';
import type { CreateWebhook, UpdateWebhook } from './webhook.dto.js';

/** How long the previous secret signs too after a rotation. */
const OVERLAP_HOURS = 24;

/** Creates, lists and changes the endpoints of a source. Endpoints of other sources do not exist for it. */
@Injectable()
export class WebhookEndpoints {
  constructor(
    private readonly em: EntityManager,
    private readonly targets: WebhookTargets,
    @Inject(CONFIG) private readonly config: Config,
    private readonly cursors: Cursors,
  ) {}

  /** @throws Refusal 400 for an address that must not be a target, 409 if the source has as many as it may */
  async create(sourceId: number, order: CreateWebhook): Promise<WebhookEndpoint> {
    // Before the address is looked up: otherwise a source could have any number of names looked up.
    await this.refuseTooMany(this.em.fork(), sourceId);
    const url = await this.targets.accept(order.url);
    return this.em.fork().transactional(async (em) => {
      // Otherwise two at the same time could both be the last one allowed.
      await em.execute('select pg_advisory_xact_lock(hashtextextended(?, 0))', [`counterpart:webhooks:${sourceId}`]);
      await this.refuseTooMany(em, sourceId);
      const now = await databaseNow(em);
      const endpoint = Object.assign(new WebhookEndpoint(), {
        id: uuidv7(),
        sourceId,
        url,
        description: order.description ?? null,
        events: order.events ?? [...EVENTS],
        secret: newSecret(),
        created: now,
        updated: now,
      });
      em.persist(endpoint);
      return endpoint;
    });
  }

  /** @throws Refusal 404 */
  async get(sourceId: number, id: string): Promise<WebhookEndpoint> {
    return findOf(this.em.fork(), sourceId, id);
  }

  /** Newest first. */
  async list(sourceId: number, { limit, cursor }: PageQuery): Promise<Page<WebhookEndpoint>> {
    const scope = listScope('webhooks', sourceId);
    const after = this.cursors.read(cursor, scope, 1)?.[0];
    const where = { sourceId, ...(after ? { id: { $lt: after } } : {}) };
    const found = await this.em.fork().find(WebhookEndpoint, where, { orderBy: { id: 'desc' }, limit: limit + 1 });
    return this.cursors.toPage(found, limit, scope, ({ id }) => [id]);
  }

  /** @throws Refusal 400, 404 */
  async update(sourceId: number, id: string, changes: UpdateWebhook): Promise<WebhookEndpoint> {
    await this.get(sourceId, id);
    const url = changes.url === undefined ? undefined : await this.targets.accept(changes.url);
    return this.change(sourceId, id, async (endpoint, em) => {
      // Earlier failures were those of another address.
      if (url !== undefined && url !== endpoint.url) Object.assign(endpoint, { url, failingSince: null });
      if (changes.events) endpoint.events = changes.events;
      if (changes.description !== undefined) endpoint.description = changes.description;
      if (changes.enabled === true) endpoint.enable();
      if (changes.enabled !== false) return;
      await em.flush();
      await disableEndpoint(em, id, 'by_request');
      await em.refresh(endpoint);
    });
  }

  /**
   * Creates a new secret. The previous one signs too for a day, so that no message is lost during the switch. A second call
   * within that day keeps the same previous secret: it may mean that the answer to the first call was lost.
   * @throws Refusal 404
   */
  async rotateSecret(sourceId: number, id: string): Promise<WebhookEndpoint> {
    return this.change(sourceId, id, (endpoint, _em, now) => {
      const isUnderWay = endpoint.previousSecretUntil !== null && endpoint.previousSecretUntil > now;
      if (!isUnderWay) endpoint.previousSecret = endpoint.secret;
      endpoint.previousSecretUntil = new Date(now.getTime() + OVERLAP_HOURS * 3_600_000);
      endpoint.secret = newSecret();
    });
  }

  /** Deletes an endpoint and its deliveries. @throws Refusal 404 */
  async delete(sourceId: number, id: string): Promise<void> {
    const deleted = isUuid(id) ? await this.em.fork().nativeDelete(WebhookEndpoint, { id, sourceId }) : 0;
    if (deleted === 0) throw Refusal.notFound('webhook');
  }

  private async change(
    sourceId: number,
    id: string,
    work: (endpoint: WebhookEndpoint, em: EntityManager, now: Date) => Promise<void> | void,
  ): Promise<WebhookEndpoint> {
    return this.em.fork().transactional(async (em) => {
      const endpoint = await findOf(em, sourceId, id, LockMode.PESSIMISTIC_WRITE);
      const now = await databaseNow(em);
      await work(endpoint, em, now);
      endpoint.updated = now;
      return endpoint;
    });
  }

  private async refuseTooMany(em: EntityManager, sourceId: number): Promise<void> {
    const most = this.config.WEBHOOK_MAX_ENDPOINTS;
    if ((await em.count(WebhookEndpoint, { sourceId })) < most) return;
    throw new Refusal(409, 'too_many_webhooks', `A source may have at most ${most} webhooks.`);
  }
}

async function findOf(em: EntityManager, sourceId: number, id: string, lockMode?: LockMode): Promise<WebhookEndpoint> {
  const endpoint = isUuid(id)
    ? await em.findOne(WebhookEndpoint, { id, sourceId }, lockMode ? { lockMode } : {})
    : null;
  if (!endpoint) throw Refusal.notFound('webhook');
  return endpoint;
}
