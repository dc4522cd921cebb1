import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { PeriodicTask } from '../runtime/periodic-task.js';
import { acrossSources } from '../database/source-isolation.js';

const PAUSE_MS = 5 * 60 * 1000;

/** Deletes counts whose window has ended. */
@Injectable()
export class LimitCleaner {
  readonly task = new PeriodicTask({
    name: 'cleaning limits',
    pauseMs: PAUSE_MS,
    canWait: true,
    run: () => acrossSources(() => this.clean()),
  });

  constructor(private readonly em: EntityManager) {}

  /** Runs once. Waits one minute longer than the window, as windows end by the clocks of the processes. */
  private async clean(): Promise<void> {
    await this.em
      .fork()
      .execute(
        `delete from rate_limit where expire < (extract(epoch from now() - interval '1 minute') * 1000)::bigint`,
      );
  }
}
