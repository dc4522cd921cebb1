import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, type Config } from '../platform/config.js';
import { Rounds } from '../platform/rounds.js';
import { acrossSources } from '../platform/source-isolation.js';

const PAUSE_MS = 10 * 60 * 1000;

/** Rows of one statement: locks are held for a moment only. */
const BATCH = 5_000;

/** Batches of one round; the next one goes on where it ended. */
const MAX_BATCHES = 100;

/** Clears away deliveries that ended long ago. */
@Injectable()
export class WebhookCleaner implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly rounds = new Rounds({ what: 'cleaning webhooks', pauseMs: PAUSE_MS, round: () => this.clean() });

  constructor(
    private readonly em: EntityManager,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** One round. Any number of instances may do it at once. */
  async clean(): Promise<void> {
    for (let batch = 0; batch < MAX_BATCHES; batch++) {
      const [row] = await acrossSources(() =>
        this.em.fork().execute<{ deleted: number }[]>(
          `with deleted as (
           delete from webhook_delivery where id in (
             select id from webhook_delivery where finished_at < now() - make_interval(days => ?)
              limit ? for update skip locked)
           returning 1)
         select count(*)::int as deleted from deleted`,
          [this.config.WEBHOOK_RETENTION_DAYS, BATCH],
        ),
      );
      if ((row?.deleted ?? 0) < BATCH) return;
    }
  }
}
