import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, type Config } from '../platform/config.js';
import { Rounds } from '../platform/rounds.js';
import { acrossSources } from '../platform/source-isolation.js';

const PAUSE_MS = 60 * 60 * 1000;

/** Entries of one statement. Nobody can append meanwhile, so it has to be short: some 20 ms. */
const BATCH = 2_000;

/** Batches of one round; the next one goes on where it ended. */
const MAX_BATCHES = 500;

/** Drops audit entries that are past their retention, the oldest first. The database itself keeps those of a year. */
@Injectable()
export class AuditCleaner implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly rounds = new Rounds({ what: 'cleaning the audit', pauseMs: PAUSE_MS, round: () => this.clean() });

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
      const values = [this.config.AUDIT_RETENTION_DAYS, BATCH];
      const [row] = await acrossSources(() =>
        this.em.fork().execute<{ dropped: number }[]>('select audit_forget(?, ?) as dropped', values),
      );
      if ((row?.dropped ?? 0) < BATCH) return;
    }
  }
}
