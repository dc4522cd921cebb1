import type { EntityManager } from '@mikro-orm/postgresql';
import { sqlState } from '../../database/outage.js';
import type { Log } from './log-horizons.js';

const LOGS: Log[] = ['sync_error', 'change', 'total_change'];

/** Months for which the logs have partitions, counted from this one, which comes first as nothing can do without it. */
const MONTHS = [0, 1, 2, -1];

/**
 * A partition can be dropped only while nobody uses the log, and whoever comes meanwhile waits behind the attempt. So it
 * is a short one; a job that writes for longer makes it fail, and the next round tries again.
 */
const LOCK_TIMEOUT_MS = 250;

/** PostgreSQL's `lock_not_available`. */
const LOCK_NOT_AVAILABLE = '55P03';

/** PostgreSQL's `deadlock_detected`. */
const DEADLOCK_DETECTED = '40P01';

/**
 * Makes the partitions of this month and of those around it, but none of a time that was dropped. Each in a transaction
 * of its own: together they would hold the lock of one log while they wait for that of another.
 * @returns those that could not be made now, such as `change, 1 months ahead`; the next round tries again
 * @throws if one of this month is among them: nothing could be logged
 */
export async function ensurePartitions(em: EntityManager): Promise<string[]> {
  const missing: string[] = [];
  for (const month of MONTHS) {
    for (const log of LOGS) {
      if (!(await addPartition(em, log, month))) missing.push(`${log}, ${month} months ahead`);
    }
  }
  return missing;
}

/** @returns false if the log is locked and it can wait */
async function addPartition(em: EntityManager, log: Log, month: number): Promise<boolean> {
  try {
    await em.execute('select add_log_partition(?, ?)', [log, month]);
    return true;
  } catch (error) {
    const state = sqlState(error);
    if (month !== 0 && (state === LOCK_NOT_AVAILABLE || state === DEADLOCK_DETECTED)) return false;
    throw error;
  }
}

/**
 * Drops the partitions of a log that are older than `days` in all of their rows, the oldest first, and writes down how
 * far back the log goes from now on. Stops at one that is in use.
 */
export async function dropOldPartitions(em: EntityManager, log: Log, days: number): Promise<void> {
  for (const { name, end } of await oldPartitions(em, log, days)) {
    if (!(await dropUnlessInUse(em, log, name, end))) return;
  }
}

/** Errors of a job that is not over yet are still written, under the time of its submission. */
const NOBODY_WRITES: Record<Log, string> = {
  sync_error: `and not exists (
    select 1 from sync_job where submitted_at < month.past
       and status in ('queued', 'staging', 'reconciling', 'awaiting_approval'))`,
  change: '',
  total_change: '',
};

/** Null for what is no partition of ours: the catalogue may be asked for a month before it has sorted out the others. */
const MONTH_OF_NAME = `substring(relname from '_([0-9]{4}_[0-9]{2})$')`;

async function oldPartitions(em: EntityManager, log: Log, days: number): Promise<{ name: string; end: string }[]> {
  return em.execute<{ name: string; end: string }[]>(
    `select relname as name, past::text as "end"
       from pg_inherits
       join pg_class on pg_class.oid = inhrelid
      cross join lateral (
        select (to_date(${MONTH_OF_NAME}, 'YYYY_MM') + interval '1 month') at time zone 'UTC' as past) month
      where inhparent = ?::regclass and past <= now() - make_interval(days => ?) ${NOBODY_WRITES[log]}
      order by past`,
    [log, days],
  );
}

/** @returns whether it is gone now */
async function dropUnlessInUse(em: EntityManager, log: Log, partition: string, end: string): Promise<boolean> {
  try {
    await em.transactional(async (inside) => {
      await inside.execute(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
      await inside.execute('select drop_log_partition(?, ?)', [log, partition]);
      await inside.execute(
        `insert into log_horizon values (?, ?) on conflict (log) do update
            set kept_from = greatest(log_horizon.kept_from, excluded.kept_from)`,
        [log, end],
      );
      if (log === 'change') await forgetCommits(inside, end);
    });
    return true;
  } catch (error) {
    if (sqlState(error) === LOCK_NOT_AVAILABLE) return false;
    throw error;
  }
}

/**
 * Commits whose changes are gone leave the feed, with all that were numbered before them: what is left of a source's
 * commits has no gap, so its first number tells how far back the feed goes.
 */
async function forgetCommits(em: EntityManager, end: string): Promise<void> {
  await em.execute(
    `delete from mirror_commit kept
      using (select source_id, max(seq) as last from mirror_commit where at < ? group by source_id) gone
      where kept.source_id = gone.source_id and kept.seq <= gone.last`,
    [end],
  );
}
