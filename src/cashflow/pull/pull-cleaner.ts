import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { deleteInBatches } from '../../database/delete-in-batches.js';
import { acrossSources } from '../../database/source-isolation.js';
import { PeriodicTask } from '../../runtime/periodic-task.js';
import { CONFIG, type Config } from '../../settings/config.js';

const PAUSE_MS = 10 * 60 * 1000;

const BATCH = 1_000;

const MAX_BATCHES = 100;

/** Deletes pulls that ended long ago: but schedules, and the last pull of a source that was completed, whose gaps still count. */
@Injectable()
export class PullCleaner {
  readonly task = new PeriodicTask({
    name: 'cleaning pulls',
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
        sql: `with old as (
                select p.source_id, p.id from cashflow_pull p
                 where p.finished_at < now() - make_interval(days => ?) and p.next_at is null
                   and (p.status <> 'completed' or exists (
                     select from cashflow_pull later
                      where later.source_id = p.source_id and later.status = 'completed' and later.id > p.id))
                 limit ? for update skip locked),
              jobs as (
                delete from cashflow_pull_job j using old where j.source_id = old.source_id and j.pull_id = old.id),
              deleted as (
                delete from cashflow_pull p using old where p.source_id = old.source_id and p.id = old.id returning 1)
              select count(*)::int as deleted from deleted`,
        values: [this.config.PULL_RETENTION_DAYS, BATCH],
        fullBatch: BATCH,
        maxBatches: MAX_BATCHES,
      }),
    );
  }
}
