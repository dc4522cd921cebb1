import { EntityManager } from '@mikro-orm/postgresql';
import { InjectQueue } from '@nestjs/bullmq';
import { Injectable, Logger } from '@nestjs/common';
import { Queue } from 'bullmq';
import { KEPT, ON_THE_WAY, QUEUE_TIMEOUT_MS, within } from '../../platform/queue-call.js';
import { safeError } from '../../platform/safe-error.js';
import { IS_DUE, ITS_TURN } from './job-conditions.js';
import { type Lane, SYNC_QUEUES } from './sync-queues.js';
import type { SyncJob } from './sync-job.entity.js';

/** What the queue has to know of a job. */
export type HintedJob = Pick<SyncJob, 'id' | 'hint' | 'lane'>;

/** What the queue carries. */
export interface SyncHint {
  jobId: string;
}

/** Tells the workers of jobs that wait. A hint that is lost costs seconds, one too many nothing: the table decides. */
@Injectable()
export class JobQueue {
  private readonly logger = new Logger(JobQueue.name);
  private readonly queues: Record<Lane, Queue<SyncHint>>;

  constructor(
    private readonly em: EntityManager,
    @InjectQueue(SYNC_QUEUES.short) short: Queue<SyncHint>,
    @InjectQueue(SYNC_QUEUES.long) long: Queue<SyncHint>,
  ) {
    this.queues = { short, long };
    for (const queue of [short, long]) {
      // Without a listener BullMQ prints the error with the whole connection to the console.
      queue.on('error', (error) => this.logger.warn({ err: safeError(error) }, 'the queue has trouble'));
    }
  }

  /** Never fails: what cannot be told now, the rescuer tells. */
  async hint(job: HintedJob): Promise<void> {
    const options = { jobId: hintId(job), attempts: 1, removeOnComplete: KEPT, removeOnFail: KEPT };
    try {
      await within(QUEUE_TIMEOUT_MS, this.queues[job.lane].add('sync', { jobId: job.id }, options));
    } catch (error) {
      this.logger.warn(
        { job: job.id, err: safeError(error) },
        'the queue was not told of a job; the rescuer will do it',
      );
    }
  }

  /** A hint that is new to the queue, where the last one was used up or lost. */
  async hintAnew(jobId: string): Promise<void> {
    const [row] = await this.em
      .fork()
      .execute<HintedJob[]>('update sync_job set hint = hint + 1 where id = ? returning id, hint, lane', [jobId]);
    if (row) await this.hint(row);
  }

  /** Tells of the jobs of a source and resource whose turn has come, but for one of which the queue knows. */
  async hintNext(sourceId: number, resource: string, known?: string): Promise<void> {
    const rows = await this.em.fork().execute<{ id: string }[]>(
      `select job.id from sync_job job
        where job.source_id = ? and job.resource = ? and job.status = 'queued' and ${ITS_TURN} and ${IS_DUE}
        order by job.seq limit 10`,
      [sourceId, resource],
    );
    await Promise.all(rows.filter(({ id }) => id !== known).map(({ id }) => this.hintAnew(id)));
  }

  /** Whether the last hint will still reach a worker. */
  async isOnTheWay(job: HintedJob): Promise<boolean> {
    const state = await within(QUEUE_TIMEOUT_MS, this.queues[job.lane].getJobState(hintId(job)));
    return ON_THE_WAY.includes(state);
  }
}

function hintId({ id, hint }: HintedJob): string {
  return `${id}-${hint}`;
}
