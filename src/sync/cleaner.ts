import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, type Config } from '../platform/config.js';
import { Rounds } from '../platform/rounds.js';
import { acrossSources } from '../platform/source-isolation.js';
import { dropOldPartitions, ensurePartitions } from './log-partitions.js';

const PAUSE_MS = 10 * 60 * 1000;

/**
 * Snapshots dropped by one statement, and statements of one round. A snapshot of 1 GiB takes about a second, so that a
 * statement stays far below the time that it may take.
 */
const BATCH_SNAPSHOTS = 5;
const MAX_BATCHES = 2_000;

/** An upload to which nothing was added for so long has lost its client. */
const ABANDONED_HOURS = 2;

/** How long a sender may repeat a request under its `Idempotency-Key`. */
const KEY_DAYS = 7;

/**
 * How long a caller may take from the first page of a list to its last, if rows change their places meanwhile. A week
 * would do; but the partition of the month before this one is always made, and shorter than a month it would be dropped
 * again.
 */
const CURSOR_DAYS = 31;

/** Clears away what is past its retention or was left behind, and keeps the logs' partitions ahead of time. */
@Injectable()
export class Cleaner implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly rounds = new Rounds({ what: 'cleaning', pauseMs: PAUSE_MS, round: () => this.clean() });

  constructor(
    private readonly em: EntityManager,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    // Nothing can be logged without them, so the start waits for them.
    await acrossSources(() => ensurePartitions(this.em.fork()));
    this.rounds.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** One round. Any number of instances may do it at once. */
  clean(): Promise<void> {
    return acrossSources(() => this.cleanAll());
  }

  private async cleanAll(): Promise<void> {
    const em = this.em.fork();
    await ensurePartitions(em);
    await this.dropAbandonedUploads(em);
    await em.execute('delete from idempotency_key where created < now() - make_interval(days => ?)', [KEY_DAYS]);
    await this.purgeSnapshots(em);
    await dropOrphanedStaging(em);
    await dropOldPartitions(em, 'sync_error', this.config.ERROR_RETENTION_DAYS);
    await dropOldPartitions(em, 'change', this.config.CHANGE_RETENTION_DAYS);
    await dropOldPartitions(em, 'total_change', CURSOR_DAYS);
  }

  private async dropAbandonedUploads(em: EntityManager): Promise<void> {
    await inBatches(em, {
      sql: `with abandoned as (
              select s.id from snapshot s
               where not s.complete and s.touched_at < now() - make_interval(hours => ?)
                 and not exists (select 1 from sync_job where snapshot_id = s.id)
               limit ? for update skip locked),
            dropped as (delete from snapshot s using abandoned where s.id = abandoned.id returning 1)
            select count(*)::int as dropped from dropped`,
      values: [ABANDONED_HOURS, BATCH_SNAPSHOTS],
    });
  }

  /** Drops the bytes that are past their retention; what they were stays with the job. */
  private async purgeSnapshots(em: EntityManager): Promise<void> {
    await inBatches(em, {
      sql: `with old as (
              select s.id from snapshot s
               where s.purged_at is null and s.complete and s.touched_at < now() - make_interval(days => ?)
                 and not exists (select 1 from sync_job j where j.snapshot_id = s.id and j.finished_at is null)
               order by s.touched_at limit ? for update skip locked),
            purged as (update snapshot s set purged_at = now() from old where s.id = old.id returning s.id),
            dropped as (delete from snapshot_chunk c using purged where c.snapshot_id = purged.id)
            select count(*)::int as dropped from purged`,
      values: [this.config.SNAPSHOT_RETENTION_DAYS, BATCH_SNAPSHOTS],
    });
  }
}

/** Repeats a statement that drops a batch and tells how many, until there is nothing left or the round is long enough. */
async function inBatches(em: EntityManager, { sql, values }: { sql: string; values: unknown[] }): Promise<void> {
  for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
    const [row] = await em.execute<{ dropped: number }[]>(sql, values);
    if (row?.dropped === 0) return;
  }
}

/** Staging tables of jobs that are over, left by workers that died at the wrong moment. */
async function dropOrphanedStaging(em: EntityManager): Promise<void> {
  await em.execute(`
    do $$ declare orphan text; begin
      for orphan in
        select c.relname from pg_class c
          join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'staging'
          left join sync_job j on c.relname = 'job_' || j.id
         where c.relkind = 'r' and (j.id is null or j.finished_at < now() - interval '1 minute')
         limit 100
      loop
        execute format('drop table if exists staging.%I', orphan);
      end loop;
    end $$`);
}
