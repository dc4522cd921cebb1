import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';

/** The logs that are partitioned by month and kept for a while. */
export type Log = 'sync_error' | 'change' | 'total_change';

/** Tells how far back the logs go. What is older was dropped, all of it at once. */
@Injectable()
export class LogHorizons {
  constructor(private readonly em: EntityManager) {}

  /** As {@link isLogGone}. */
  isGone(log: Log, at: Date, resource?: string): Promise<boolean> {
    return isLogGone(this.em.fork(), log, at, resource);
  }
}

/**
 * Whether what a log held of a time is gone. To be asked after something was read from the log: then a drop between
 * the two is noticed, whereas one in between the other way round would look like an empty log.
 * @param resource also whether values or rows of it were lost since, with a changed definition
 */
export async function isLogGone(em: EntityManager, log: Log, at: Date, resource = ''): Promise<boolean> {
  const rows = await em.execute(
    `select 1 from log_horizon where log = ? and kept_from > ?
     union all select 1 from resource_definition where name = ? and lost_at >= ?`,
    [log, at.toISOString(), resource, at.toISOString()],
  );
  return rows.length > 0;
}

/** SQL: the time after which what was logged of a resource is right. @param resource its name, in SQL */
export function lastLoss(resource: string): string {
  return `coalesce((select lost_at from resource_definition where name = ${resource}), '-infinity')`;
}
