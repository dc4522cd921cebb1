import type { EventArgs, EventSubscriber } from '@mikro-orm/core';
import { type EntityManager, MikroORM } from '@mikro-orm/postgresql';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { databaseNow } from '../sync/leases/job-leases.js';
import { SyncJob } from '../sync/model/sync-job.entity.js';
import { WebhookDelivery } from './webhook-delivery.entity.js';
import { EVENT_OF_STATUS, jobEventBody } from './webhook-event.js';

interface Receiver {
  id: string;
  source: string;
}

/**
 * Inserts a delivery for each endpoint that is subscribed to a job's new status, in the transaction that changes the
 * status: they commit together or not at all. It subscribes to the ORM, through which all changes of a job's status go, so
 * that the engine knows nothing of webhooks. A job without subscribers costs one look-up in an index.
 */
@Injectable()
export class WebhookOutbox implements EventSubscriber<SyncJob>, OnModuleInit {
  constructor(private readonly orm: MikroORM) {}

  /** Runs before the first job is taken, which happens once the application has started. */
  onModuleInit(): void {
    this.orm.em.getEventManager().registerSubscriber(this);
  }

  getSubscribedEntities(): [typeof SyncJob] {
    return [SyncJob];
  }

  /** Called by the ORM between the update and the commit, with the entity manager of the transaction. */
  async afterUpdate({ entity: job, changeSet, em: transaction }: EventArgs<SyncJob>): Promise<void> {
    const hasMoved = changeSet !== undefined && 'status' in changeSet.payload;
    const type = hasMoved ? EVENT_OF_STATUS[job.status] : undefined;
    if (type === undefined) return;
    const em = transaction as EntityManager;
    // The lock keeps the deletion of an endpoint from failing the job: a deleted row is skipped.
    const receivers = await em.execute<Receiver[]>(
      `select e.id, s.name as source from webhook_endpoint e join source s on s.id = e.source_id
        where e.source_id = ? and e.enabled and ? = any(e.events) for key share of e`,
      [job.sourceId, type],
    );
    const [first] = receivers;
    if (!first) return;
    const created = await databaseNow(em);
    const payload = JSON.stringify(jobEventBody(type, job, first.source, created));
    const event = { sourceId: job.sourceId, type, jobId: job.id, payload, created };
    await em.insertMany(receivers.map(({ id }) => WebhookDelivery.of({ ...event, id: uuidv7(), endpointId: id })));
  }
}
