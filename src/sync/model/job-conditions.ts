// Conditions in SQL on a row of `sync_job` that is called `job`.

/** Whether both may touch the same rows: all but two windows apart from each other. */
export const overlaps = (one: string, other: string) => `
  (${one}.window_low is null or ${other}.window_low is null
   or (${one}.window_low < ${other}.window_high and ${other}.window_low < ${one}.window_high))`;

/**
 * Whether it has to wait for the job `older`. Jobs of one source and resource take effect in the order of their acceptance:
 * nothing starts while an older one is under way that may touch the same rows. A held job keeps back those that would change the mirror, but not dry
 * runs, which help to decide on it.
 */
const WAITS_FOR_OLDER = `
  older.source_id = job.source_id and older.resource = job.resource and older.seq < job.seq and ${overlaps('older', 'job')}
  and (older.status in ('queued', 'staging', 'reconciling')
       or (older.status = 'awaiting_approval' and not job.dry_run))`;

/**
 * How many jobs of one source and resource are under way at a time: one is applied, as only one can be, and the next one is read
 * meanwhile. More would read and wait in vain, and windows would take effect in another order than they came.
 */
export const UNDER_WAY_AT_ONCE = 2;

/** Whether the job of that alias is under way before it. */
const isUnderWayBefore = (older: string) => `
  ${older}.source_id = job.source_id and ${older}.resource = job.resource and ${older}.seq < job.seq
  and ${older}.status in ('staging', 'reconciling')`;

const HAS_NO_PLACE = `
  (select count(*) from sync_job ahead where ${isUnderWayBefore('ahead')}) >= ${UNDER_WAY_AT_ONCE}`;

/** Whether no older job has to end first, and a place is free for it. */
export const ITS_TURN = `
  (not exists (select 1 from sync_job older where ${WAITS_FOR_OLDER}) and not ${HAS_NO_PLACE})`;

/** Whether it waits for the job `older`, or for its place. */
export const WAITS_BEHIND = `((${WAITS_FOR_OLDER}) or (${isUnderWayBefore('older')} and ${HAS_NO_PLACE}))`;

/** Whether it has waited long enough since its last attempt. */
export const IS_DUE = '(job.retry_at is null or job.retry_at <= clock_timestamp())';

/** Whether its worker has sent no heartbeat for too long (`?`: seconds). */
export const HAS_NO_HEARTBEAT = `not exists (
  select 1 from job_heartbeat h
   where h.job_id = job.id and h.fence = job.fence and h.beat_at > clock_timestamp() - make_interval(secs => ?))`;
