import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { CONFIG, type Config } from '../settings/config.js';
import { deleteInBatches } from '../database/delete-in-batches.js';
import { PeriodicTask } from '../runtime/periodic-task.js';
import { acrossSources } from '../database/source-isolation.js';
import { BATCH_SNAPSHOTS, purgeSnapshots } from './snapshots/purge-snapshots.js';
import { deleteOldJobs, type OldJobPosition } from './jobs/old-jobs.js';
import { dropOldPartitions, ensurePartitions } from './logs/log-partitions.js';

const PAUSE_MS = 10 * 60 * 1000;

/** Statements of one run; the next run continues. */
const MAX_BATCHES = 2_000;

/** Heartbeats deleted by one statement. */
const BATCH_HEARTBEATS = 5_000;

/** Planned changes deleted by one statement. */
const BATCH_PLANNED = 10_000;

/** Batches of old jobs that one run looks at; the next run continues. */
const MAX_JOB_BATCHES = 50;

/** An upload to which nothing was added for this long has lost its client. */
const ABANDONED_HOURS = 2;

/** How long a sender may repeat a request under its `Idempotency-Key`. */
const KEY_DAYS = 7;

/**
 * How long a caller may take from the first page of a list to its last, if rows change their places meanwhile. A week
 * would do; but the partition of the month before this one is always made, and shorter than a month it would be dropped
 * again.
 */
const CURSOR_DAYS = 31;

/** Deletes what is past its retention or was left over, and creates the logs' partitions ahead of time. */
@Injectable()
export class Cleaner implements OnApplicationBootstrap {
  /** How far the pass over old jobs has come; null before the first one of a pass. */
  private jobsLookedAt: OldJobPosition | null = null;
  private readonly logger = new Logger(Cleaner.name);
  readonly task = new PeriodicTask({ name: 'cleaning', pauseMs: PAUSE_MS, canWait: true, run: () => this.clean() });

  constructor(
    private readonly em: EntityManager,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    // Nothing can be logged without those of this month, so the start waits for them.
    await acrossSources(() => this.addPartitions(this.em.fork()));
  }

  /** One run. Any number of instances may do it at once. */
  clean(): Promise<void> {
    return acrossSources(() => this.cleanAll());
  }

  private async cleanAll(): Promise<void> {
    const em = this.em.fork();
    await this.addPartitions(em);
    await this.dropAbandonedUploads(em);
    await em.execute('delete from idempotency_key where created < now() - make_interval(days => ?)', [KEY_DAYS]);
    await this.purgeSnapshots(em);
    await dropOrphanedStaging(em);
    await dropOldPartitions(em, 'sync_error', this.config.ERROR_RETENTION_DAYS);
    await dropOldPartitions(em, 'change', this.config.CHANGE_RETENTION_DAYS);
    await dropOldPartitions(em, 'total_change', CURSOR_DAYS);
    await this.dropHeartbeats(em);
    await this.dropPlans(em);
    await this.dropJobs(em);
  }

  private async addPartitions(em: EntityManager): Promise<void> {
    const missing = await ensurePartitions(em);
    if (missing.length > 0) this.logger.warn({ missing }, 'partitions could not be added as their logs are locked');
  }

  /** A job that has ended sends no more heartbeats. */
  private async dropHeartbeats(em: EntityManager): Promise<void> {
    await deleteInBatches(em, {
      sql: `with old as (
              select h.job_id from job_heartbeat h join sync_job j on j.id = h.job_id
               where j.finished_at < now() - interval '1 minute' limit ?),
            deleted as (delete from job_heartbeat h using old where h.job_id = old.job_id returning 1)
            select count(*)::int as deleted from deleted`,
      values: [BATCH_HEARTBEATS],
      fullBatch: BATCH_HEARTBEATS,
      maxBatches: MAX_BATCHES,
    });
  }

  /** A plan is of use until the job is decided, and for a day to look back. */
  private async dropPlans(em: EntityManager): Promise<void> {
    await deleteInBatches(em, {
      sql: `with old as (
              select p.source_id, p.job_id, p.ordinal from planned_change p
                left join sync_job j on j.id = p.job_id
               where j.id is null or j.finished_at < now() - interval '1 day' limit ?),
            deleted as (
              delete from planned_change p using old
               where p.source_id = old.source_id and p.job_id = old.job_id and p.ordinal = old.ordinal returning 1)
            select count(*)::int as deleted from deleted`,
      values: [BATCH_PLANNED],
      fullBatch: BATCH_PLANNED,
      maxBatches: MAX_BATCHES,
    });
  }

  private async dropJobs(em: EntityManager): Promise<void> {
    for (let batch = 0; batch < MAX_JOB_BATCHES; batch += 1) {
      this.jobsLookedAt = await deleteOldJobs(em, this.config.JOB_RETENTION_DAYS, this.jobsLookedAt);
      if (this.jobsLookedAt === null) return;
    }
  }

  private async dropAbandonedUploads(em: EntityManager): Promise<void> {
    await deleteInBatches(em, {
      sql: `with abandoned as (
              select s.id from snapshot s
               where not s.complete and s.touched_at < now() - make_interval(hours => ?)
                 and not exists (select 1 from sync_job where snapshot_id = s.id)
               limit ? for update skip locked),
            deleted as (delete from snapshot s using abandoned where s.id = abandoned.id returning 1)
            select count(*)::int as deleted from deleted`,
      values: [ABANDONED_HOURS, BATCH_SNAPSHOTS],
      fullBatch: BATCH_SNAPSHOTS,
      maxBatches: MAX_BATCHES,
    });
  }

  /** Deletes the bytes of snapshots that are past their retention; their size and digest stay with the job. */
  private async purgeSnapshots(em: EntityManager): Promise<void> {
    for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
      const old = await em.execute<{ id: string }[]>(
        `select s.id from snapshot s
          where s.purged_at is null and s.complete and s.touched_at < now() - make_interval(days => ?)
            and not exists (select 1 from sync_job j where j.snapshot_id = s.id and j.finished_at is null)
          order by s.touched_at limit ?`,
        [this.config.SNAPSHOT_RETENTION_DAYS, BATCH_SNAPSHOTS],
      );
      const ids = old.map(({ id }) => id);
      // None of them: other instances are at it.
      if ((await purgeSnapshots(em, ids)) === 0 || ids.length < BATCH_SNAPSHOTS) return;
    }
  }
}

/** Drops staging tables of jobs that have ended, left by workers that were killed at the wrong moment. */
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
