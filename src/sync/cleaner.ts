import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, type Config } from '../platform/config.js';
import { safeError } from '../platform/problem.filter.js';

const PERIOD_MS = 10 * 60 * 1000;

/** An upload to which nothing was added for so long has lost its client. */
const ABANDONED_HOURS = 2;

/** How long a sender may repeat a request under its `Idempotency-Key`. */
const KEY_DAYS = 7;

/** Months ahead for which the logs have partitions. */
const MONTHS_AHEAD = 2;

const PARTITIONED = ['sync_error', 'change', 'total_change'];

/** Clears away what nobody will ask for again, and keeps the logs' partitions ahead of time. */
@Injectable()
export class Cleaner implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Cleaner.name);
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly em: EntityManager,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    // Nothing can be logged without them, so the start waits for them.
    await ensurePartitions(this.em.fork());
    this.timer = setInterval(() => void this.cleanQuietly(), PERIOD_MS);
    void this.cleanQuietly();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** One round. Any number of instances may do it at once. */
  async clean(): Promise<void> {
    const em = this.em.fork();
    await ensurePartitions(em);
    await em.execute(
      `delete from snapshot s where not complete and touched_at < now() - make_interval(hours => ?)
          and not exists (select 1 from sync_job where snapshot_id = s.id)`,
      [ABANDONED_HOURS],
    );
    await em.execute('delete from idempotency_key where created < now() - make_interval(days => ?)', [KEY_DAYS]);
    await this.purgeSnapshots(em);
    await dropOrphanedStaging(em);
  }

  /** Drops the bytes that are past their retention; what they were stays with the job. */
  private async purgeSnapshots(em: EntityManager): Promise<void> {
    await em.execute(
      `with purged as (
         update snapshot s set purged_at = now()
          where purged_at is null and complete and touched_at < now() - make_interval(days => ?)
            and not exists (select 1 from sync_job j where j.snapshot_id = s.id and j.finished_at is null)
         returning id)
       delete from snapshot_chunk c using purged where c.snapshot_id = purged.id`,
      [this.config.SNAPSHOT_RETENTION_DAYS],
    );
  }

  private async cleanQuietly(): Promise<void> {
    try {
      await this.clean();
    } catch (error) {
      this.logger.warn({ err: safeError(error) }, 'cleaning did not get through');
    }
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

async function ensurePartitions(em: EntityManager): Promise<void> {
  await em.execute(`
    do $$ declare parent text; first date; begin
      perform pg_advisory_xact_lock(hashtextextended('counterpart:partitions', 0));
      foreach parent in array array[${PARTITIONED.map((name) => `'${name}'`).join(', ')}] loop
        for month in -1..${MONTHS_AHEAD} loop
          first := date_trunc('month', now() at time zone 'UTC') + make_interval(months => month);
          if to_regclass(format('%I', parent || to_char(first, '_YYYY_MM'))) is null then
            execute format('create table %I partition of %I for values from (%L) to (%L)',
              parent || to_char(first, '_YYYY_MM'), parent,
              to_char(first, 'YYYY-MM-DD') || 'T00:00:00Z',
              to_char(first + interval '1 month', 'YYYY-MM-DD') || 'T00:00:00Z');
          end if;
        end loop;
      end loop;
    end $$`);
}
