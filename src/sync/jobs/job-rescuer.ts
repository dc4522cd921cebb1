import { EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../settings/config.js';
import { PeriodicTask } from '../../runtime/periodic-task.js';
import { acrossSources, asSessionUser } from '../../database/source-isolation.js';
import { IS_DUE, HAS_NO_HEARTBEAT, ITS_TURN } from '../model/job-conditions.js';
import { JobQueue, type NotifiedJob } from '../model/job-queue.js';

/** Runs within the time after which a worker without a heartbeat counts as dead. */
const RUNS_PER_SILENCE = 6;

/** Jobs looked at in one run. */
const MAX_JOBS = 200;

/**
 * Notifies again of jobs that the table calls unfinished and that no worker works on: the queue lost them, was away when
 * they were accepted, or their worker died. With a limit of six seconds without a heartbeat and a check every second,
 * work is taken up again within ten.
 */
@Injectable()
export class JobRescuer {
  readonly task: PeriodicTask;

  constructor(
    private readonly em: EntityManager,
    private readonly queue: JobQueue,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    const pauseMs = config.WORKER_SILENCE_MS / RUNS_PER_SILENCE;
    this.task = new PeriodicTask({
      name: 'looking for jobs to rescue',
      pauseMs,
      run: () => acrossSources(() => this.rescue()),
    });
  }

  private async rescue(): Promise<void> {
    const silenceSeconds = this.config.WORKER_SILENCE_MS / 1000;
    const jobs = await this.em.fork().execute<(NotifiedJob & { running: boolean })[]>(
      `select job.id, job.hint as notification, job.lane as queue, job.status <> 'queued' as running from sync_job job
        where (job.status = 'queued' and ${ITS_TURN} and ${IS_DUE})
           or (job.status in ('staging', 'reconciling') and ${HAS_NO_HEARTBEAT})
        order by job.id limit ?`,
      [silenceSeconds, MAX_JOBS],
    );
    if (jobs.some(({ running }) => running)) await this.endStaleTransactions(silenceSeconds);
    await Promise.all(
      jobs.map(async (job) => {
        if (!(await this.queue.isPending(job))) await this.queue.notifyAgain(job.id);
      }),
    );
  }

  /**
   * Ends the transactions that have the rows of jobs without heartbeats locked: a worker that is paused in one would keep
   * the job, and the mirror, locked for as long as it is paused. The transaction that locked a row last is its `xmax`.
   */
  private async endStaleTransactions(silenceSeconds: number): Promise<void> {
    const holders = await this.em.fork().execute<{ pid: number; transaction: string }[]>(
      `select holder.pid, holder.virtualtransaction as transaction from sync_job job
         join pg_locks holder on holder.locktype = 'transactionid' and holder.transactionid = job.xmax
          and holder.mode = 'ExclusiveLock' and holder.granted
        where job.status in ('staging', 'reconciling') and ${HAS_NO_HEARTBEAT}`,
      [silenceSeconds],
    );
    if (holders.length === 0) return;
    // By the user that the session belongs to, and only while it is in that very transaction.
    await asSessionUser(() =>
      this.em.fork().execute(
        `select pg_terminate_backend(holder.pid) from pg_locks holder
          where holder.locktype = 'virtualxid' and holder.virtualxid = holder.virtualtransaction
            and (holder.pid, holder.virtualtransaction) in (
              select pid, transaction from json_to_recordset(?) as stale (pid int, transaction text))`,
        [JSON.stringify(holders)],
      ),
    );
  }
}
