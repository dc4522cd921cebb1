import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { acrossSources } from '../platform/source-isolation.js';
import { Rounds } from '../platform/rounds.js';

const PAUSE_MS = 5 * 60 * 1000;

/** Clears away counts whose window is long over. */
@Injectable()
export class LimitCleaner implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly rounds = new Rounds({
    what: 'cleaning limits',
    pauseMs: PAUSE_MS,
    round: () => acrossSources(() => this.clean()),
  });

  constructor(private readonly em: EntityManager) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** One round. A minute of grace, as the windows end by the clocks of the processes. */
  private async clean(): Promise<void> {
    await this.em
      .fork()
      .execute(
        `delete from rate_limit where expire < (extract(epoch from now() - interval '1 minute') * 1000)::bigint`,
      );
  }
}
