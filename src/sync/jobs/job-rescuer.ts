import { EntityManager } from '@mikro-orm/postgresql';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { safeError } from '../../platform/problem.filter.js';
import { ITS_TURN, SILENCE_MS } from './job-claims.js';
import { JobQueue } from './job-queue.js';

const PERIOD_MS = 2_000;

/** Jobs looked at in one round. */
const MAX_JOBS = 200;

/**
 * Tells the queue again of jobs that the table calls unfinished and that nobody works on: the queue lost them, was
 * away when they were accepted, or their worker died. With a silence of six seconds and a round every two, work is
 * taken up again within ten.
 */
@Injectable()
export class JobRescuer implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(JobRescuer.name);
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly em: EntityManager,
    private readonly queue: JobQueue,
  ) {}

  onApplicationBootstrap(): void {
    this.startRound();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.round;
  }

  private startRound(): void {
    this.round = this.rescue()
      .catch((error: unknown) => this.logger.warn({ err: safeError(error) }, 'could not look for jobs to rescue'))
      .then(() => {
        if (!this.stopped) this.timer = setTimeout(() => this.startRound(), PERIOD_MS);
      });
  }

  private async rescue(): Promise<void> {
    // A locked row is one that somebody is working on, however long it takes.
    const jobs = await this.em.fork().execute<{ id: string; hint: number }[]>(
      `select job.id, job.hint from sync_job job
        where (job.status = 'queued' and ${ITS_TURN})
           or (job.status in ('staging', 'reconciling')
               and job.heartbeat_at < clock_timestamp() - make_interval(secs => ?))
        order by job.id limit ? for update skip locked`,
      [SILENCE_MS / 1000, MAX_JOBS],
    );
    await Promise.all(
      jobs.map(async (job) => {
        if (!(await this.queue.isOnTheWay(job))) await this.queue.hintAnew(job.id);
      }),
    );
  }
}
