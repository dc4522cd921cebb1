import { EntityManager } from '@mikro-orm/postgresql';
import { InjectQueue } from '@nestjs/bullmq';
import { Injectable, Logger } from '@nestjs/common';
import { Queue } from 'bullmq';
import { KEPT, ON_THE_WAY, QUEUE_TIMEOUT_MS, within } from '../../queue/queue-call.js';
import { safeError } from '../../logging/safe-error.js';
import { IS_DUE, ITS_TURN, UNDER_WAY_AT_ONCE } from './job-conditions.js';
import type { SyncJob } from './sync-job.entity.js';
import { SYNC_QUEUES, type SyncQueue } from './sync-queues.js';

/** What a notification of a job is made of. */
export type NotifiedJob = Pick<SyncJob, 'id' | 'notification' | 'queue'>;

/** What the queue carries. */
export interface JobNotification {
  jobId: string;
}

/**
 * Notifies the workers of jobs that wait. A lost notification costs seconds, a repeated one nothing: the table of jobs
 * decides.
 */
@Injectable()
export class JobQueue {
  private readonly logger = new Logger(JobQueue.name);
  private readonly queues: Record<SyncQueue, Queue<JobNotification>>;

  constructor(
    private readonly em: EntityManager,
    @InjectQueue(SYNC_QUEUES.short) short: Queue<JobNotification>,
    @InjectQueue(SYNC_QUEUES.long) long: Queue<JobNotification>,
  ) {
    this.queues = { short, long };
    for (const queue of [short, long]) {
      // Without a listener BullMQ prints the error with the whole connection to the console.
      queue.on('error', (error) => this.logger.warn({ err: safeError(error) }, 'the queue reported an error'));
    }
  }

  /**
   * Never fails: what cannot be sent now, the rescuer sends.
   * @param delayMs for how long the queue keeps it back
   */
  async notify(job: NotifiedJob, delayMs = 0): Promise<void> {
    const options = {
      jobId: notificationId(job),
      attempts: 1,
      removeOnComplete: KEPT,
      removeOnFail: KEPT,
      delay: delayMs,
    };
    try {
      await within(QUEUE_TIMEOUT_MS, this.queues[job.queue].add('sync', { jobId: job.id }, options));
    } catch (error) {
      this.logger.warn(
        { job: job.id, err: safeError(error) },
        'the queue was not notified of a job; the rescuer will do it',
      );
    }
  }

  /**
   * Sends a notification under a new id, where the last one was used up or lost. A job whose row is locked is being worked on
   * or decided, and needs none.
   */
  async notifyAgain(jobId: string, delayMs = 0): Promise<void> {
    const [row] = await this.em.fork().execute<NotifiedJob[]>(
      `update sync_job set hint = hint + 1
          where id = (select id from sync_job where id = ? for update skip locked)
         returning id, hint as notification, lane as queue`,
      [jobId],
    );
    if (row) await this.notify(row, delayMs);
  }

  /** Notifies of the jobs of a source and resource whose turn has come, except one that was notified already. */
  async notifyNext(sourceId: number, resource: string, exceptId?: string): Promise<void> {
    const rows = await this.em.fork().execute<{ id: string }[]>(
      `select job.id from sync_job job
        where job.source_id = ? and job.resource = ? and job.status = 'queued' and ${ITS_TURN} and ${IS_DUE}
        order by job.seq limit ${UNDER_WAY_AT_ONCE}`,
      [sourceId, resource],
    );
    await Promise.all(rows.filter(({ id }) => id !== exceptId).map(({ id }) => this.notifyAgain(id)));
  }

  /** Whether the last notification will still reach a worker. */
  async isPending(job: NotifiedJob): Promise<boolean> {
    const state = await within(QUEUE_TIMEOUT_MS, this.queues[job.queue].getJobState(notificationId(job)));
    return ON_THE_WAY.includes(state);
  }
}

function notificationId({ id, notification }: NotifiedJob): string {
  return `${id}-${notification}`;
}
