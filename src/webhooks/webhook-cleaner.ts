import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../settings/config.js';
import { deleteInBatches } from '../database/delete-in-batches.js';
import { PeriodicTask } from '../runtime/periodic-task.js';
import { acrossSources } from '../database/source-isolation.js';

const PAUSE_MS = 10 * 60 * 1000;

const BATCH = 5_000;

const MAX_BATCHES = 100;

/** Deletes deliveries that ended long ago. */
@Injectable()
export class WebhookCleaner {
  readonly task = new PeriodicTask({
    name: 'cleaning webhooks',
    pauseMs: PAUSE_MS,
    canWait: true,
    run: () => this.clean(),
  });

  constructor(
    private readonly em: EntityManager,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** One run. Any number of instances may do it at once. */
  clean(): Promise<void> {
    return acrossSources(() =>
      deleteInBatches(this.em.fork(), {
        sql: `with deleted as (
                delete from webhook_delivery where id in (
                  select id from webhook_delivery where finished_at < now() - make_interval(days => ?)
                   limit ? for update skip locked)
                returning 1)
              select count(*)::int as deleted from deleted`,
        values: [this.config.WEBHOOK_RETENTION_DAYS, BATCH],
        fullBatch: BATCH,
        maxBatches: MAX_BATCHES,
      }),
    );
  }
}
