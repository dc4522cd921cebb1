import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import { deleteInBatches } from '../database/delete-in-batches.js';
import { PeriodicTask } from '../runtime/periodic-task.js';
import { acrossSources } from '../database/source-isolation.js';

const PAUSE_MS = 10 * 60 * 1000;

/** How long a caller may repeat a request with its `Idempotency-Key`: the same as for snapshots. */
const KEY_DAYS = 7;

/** Keys of one source that one statement deletes: its locks are held for a moment only. */
const BATCH_PER_SOURCE = 5_000;

const MAX_BATCHES = 1_000;

/** Deletes idempotency keys and their answers once they are old. */
@Injectable()
export class RequestCleaner {
  readonly task = new PeriodicTask({
    name: 'cleaning keys of accounts',
    pauseMs: PAUSE_MS,
    canWait: true,
    run: () => this.clean(),
  });

  constructor(private readonly em: EntityManager) {}

  /** One run. Any number of instances may do it at once. */
  clean(): Promise<void> {
    return acrossSources(() =>
      deleteInBatches(this.em.fork(), {
        sql: `with old as (
                select r.source_id, r.key from source s
                 cross join lateral (
                   select source_id, key from ledger_request
                    where source_id = s.id and created < now() - make_interval(days => ?)
                    order by created limit ?) r),
              deleted as (
                delete from ledger_request r using old where r.source_id = old.source_id and r.key = old.key returning 1)
              select count(*)::int as deleted from deleted`,
        values: [KEY_DAYS, BATCH_PER_SOURCE],
        // A batch is limited by source, so only an empty one shows that no source has any left.
        fullBatch: 1,
        maxBatches: MAX_BATCHES,
      }),
    );
  }
}
