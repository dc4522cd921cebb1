// Conditions in SQL on a row of `sync_job` that is called `job`.

/** Whether both may touch the same rows: all but two windows apart from each other. */
export const overlaps = (one: string, other: string) => `
  (${one}.window_low is null or ${other}.window_low is null
   or (${one}.window_low < ${other}.window_high and ${other}.window_low < ${one}.window_high))`;

/**
 * Whether a job has to wait for another one. Jobs of one source and resource take effect in the order of their acceptance:
 * nothing starts while an older one is under way that may touch the same rows. A held job keeps back those that would change the mirror, but not dry
 * runs, which help to decide on it.
 */
const waitsFor = (job: string, older: string) => `
  ${older}.source_id = ${job}.source_id and ${older}.resource = ${job}.resource and ${older}.seq < ${job}.seq
  and ${overlaps(older, job)}
  and (${older}.status in ('queued', 'staging', 'reconciling')
       or (${older}.status = 'awaiting_approval' and not ${job}.dry_run))`;

const isDue = (job: string) => `(${job}.retry_at is null or ${job}.retry_at <= clock_timestamp())`;

/** Whether it has waited long enough since its last attempt. */
export const IS_DUE = isDue('job');

/**
 * How many jobs of one source and resource are under way at a time: one is applied, as only one can be, and the next one, if it is
 * large, is read meanwhile. More would read and wait in vain. A small one does all of its work while it is the only one.
 */
export const UNDER_WAY_AT_ONCE = 2;

/**
 * Whether a job is under way before this one, or could be: so those that need not wait for each other keep to their order, too, and
 * an older window seldom has to look for what newer ones have taken.
 */
const isAhead = (ahead: string) => `
  ${ahead}.source_id = job.source_id and ${ahead}.resource = job.resource and ${ahead}.seq < job.seq
  and (${ahead}.status in ('staging', 'reconciling')
       or (${ahead}.status = 'queued' and ${isDue(ahead)}
           and not exists (select 1 from sync_job first where ${waitsFor(ahead, 'first')})))`;

/** A small one may go before a large one that is only read: it is done before that one is. */
const HAS_NO_PLACE = `
  case job.lane when 'short' then
    exists (select 1 from sync_job ahead where ${isAhead('ahead')} and (ahead.lane = 'short' or ahead.status = 'reconciling'))
  else
    (select count(*) from (select 1 from sync_job ahead where ${isAhead('ahead')} limit ${UNDER_WAY_AT_ONCE}) place)
      >= ${UNDER_WAY_AT_ONCE}
  end`;

/** Whether no older job has to end first, and a place is free for it. */
export const ITS_TURN = `
  (not exists (select 1 from sync_job older where ${waitsFor('job', 'older')}) and not ${HAS_NO_PLACE})`;

/** Whether it waits for the job `older`, or for its place. */
export const WAITS_BEHIND = `((${waitsFor('job', 'older')}) or (${isAhead('older')} and ${HAS_NO_PLACE}))`;

/** Whether its worker has sent no heartbeat for too long (`?`: seconds). */
export const HAS_NO_HEARTBEAT = `not exists (
  select 1 from job_heartbeat h
   where h.job_id = job.id and h.fence = job.fence and h.beat_at > clock_timestamp() - make_interval(secs => ?))`;
