import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Rounds } from '../platform/rounds.js';
import { acrossSources } from '../platform/source-isolation.js';

const PAUSE_MS = 10 * 60 * 1000;

/** How long a caller may repeat a request under its `Idempotency-Key`: the same as with snapshots. */
const KEY_DAYS = 7;

/** Keys of one source and statement: locks are held for a moment only. */
const BATCH = 5_000;

/** Batches of one round; the next one goes on where it ended. */
const MAX_BATCHES = 1_000;

/** Forgets what was answered under idempotency keys long ago. */
@Injectable()
export class RequestCleaner implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly rounds = new Rounds({
    what: 'cleaning keys of accounts',
    pauseMs: PAUSE_MS,
    round: () => this.clean(),
  });

  constructor(private readonly em: EntityManager) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** One round. Any number of instances may do it at once. */
  async clean(): Promise<void> {
    for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
      const [row] = await acrossSources(() =>
        this.em.fork().execute<{ deleted: number }[]>(
          `with old as (
             select r.source_id, r.key from source s
              cross join lateral (
                select source_id, key from ledger_request
                 where source_id = s.id and created < now() - make_interval(days => ?)
                 order by created limit ?) r),
           deleted as (
             delete from ledger_request r using old where r.source_id = old.source_id and r.key = old.key returning 1)
           select count(*)::int as deleted from deleted`,
          [KEY_DAYS, BATCH],
        ),
      );
      if (row?.deleted === 0) return;
    }
  }
}
