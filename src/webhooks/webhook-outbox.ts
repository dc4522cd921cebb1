import type { EventArgs, EventSubscriber } from '@mikro-orm/core';
import { type EntityManager, MikroORM } from '@mikro-orm/postgresql';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { addToOutbox } from '../outbox/outbox.js';
import { databaseNow } from '../sync/leases/job-leases.js';
import { SyncJob } from '../sync/model/sync-job.entity.js';
import { EVENT_OF_STATUS, jobEventData } from './webhook-event.js';

/**
 * Puts a job's new status into the outbox, in the transaction that changes it. It subscribes to the ORM, through which all changes
 * of a job's status go, so that the engine knows nothing of webhooks.
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
    await addToOutbox(em, job.sourceId, () => databaseNow(em), [
      { type, jobId: job.id, data: (source) => jobEventData(job, source) },
    ]);
  }
}
