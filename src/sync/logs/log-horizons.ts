import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';

/** The logs that are partitioned by month and kept for a while. */
export type Log = 'sync_error' | 'change' | 'total_change';

/** Tells how far back the logs go. What is older was dropped, all of it at once. */
@Injectable()
export class LogHorizons {
  constructor(private readonly em: EntityManager) {}

  /** As {@link isLogGone}. */
  isGone(log: Log, at: Date): Promise<boolean> {
    return isLogGone(this.em.fork(), log, at);
  }
}

/**
 * Whether what a log held of a time is gone. To be asked after something was read from the log: then a drop between
 * the two is noticed, whereas one in between the other way round would look like an empty log.
 */
export async function isLogGone(em: EntityManager, log: Log, at: Date): Promise<boolean> {
  const rows = await em.execute('select 1 from log_horizon where log = ? and kept_from > ?', [log, at.toISOString()]);
  return rows.length > 0;
}
